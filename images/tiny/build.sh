#!/usr/bin/env bash
# Builds the tiny image: build.sh OUTPUT.qcow2
# Debian's cloud kernel and an initramfs of busybox, dropbear and the scripts in root/. All of the system is in the
# initramfs; the root partition holds kernel, initramfs and boot loader, and keeps what must survive a stop.
set -euo pipefail
umask 022
output=${1:?usage: build.sh OUTPUT.qcow2}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/debian.sh
. "$here/../lib/debian.sh"
# shellcheck source=../lib/disk.sh
. "$here/../lib/disk.sh"
need apt-get dpkg-deb cpio gzip mke2fs sfdisk grub-mkimage qemu-img
make_scratch

say "fetching packages from $mirror"
packages=$scratch/packages
debian_extract amd64 "$packages" linux-image-cloud-amd64 busybox-static dropbear-bin openssh-sftp-server \
	libc6 libcrypt1 libtomcrypt1 libtommath1 libgmp10 zlib1g
kernel=$(find "$packages/boot" -name 'vmlinuz-*')
# Everything carries the kernel's date, so that the same packages give the same image.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$kernel")}

say "packing the initramfs"
guest=$scratch/guest
mkdir -p "$guest"/{bin,sbin,dev,proc,sys,lib/modules,lib64,usr/lib,usr/sbin,usr/bin,etc,root,home/tiny}
cp "$packages/bin/busybox" "$guest/bin/"
"$packages/bin/busybox" --list | grep -vx busybox | while read -r applet; do ln -s /bin/busybox "$guest/bin/$applet"; done
ln -sf /bin/busybox "$guest/init"
cp -r "$here/root/." "$guest/"
# No password opens either of them: `*` matches none, and keys come from the metadata service.
printf '%s\n' 'root:*:0:0:root:/root:/bin/sh' 'tiny:*:1000:1000:tiny:/home/tiny:/bin/sh' >"$guest/etc/passwd"
printf '%s\n' 'root:x:0:' 'tiny:x:1000:' >"$guest/etc/group"
echo /bin/sh >"$guest/etc/shells"
cp "$packages/usr/sbin/dropbear" "$packages/usr/bin/dropbearkey" "$guest/usr/sbin/"
cp "$packages/usr/lib/openssh/sftp-server" "$guest/usr/lib/"
cp -L "$(find "$packages" -name ld-linux-x86-64.so.2 | head -n 1)" "$guest/lib64/"
for library in libc.so.6 libcrypt.so.1 libtomcrypt.so.1 libtommath.so.1 libgmp.so.10 libz.so.1; do
	cp -L "$(find "$packages" -name "$library" | head -n 1)" "$guest/lib/"
done
# In the order in which they need each other.
modules='virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover net_failover virtio_net
	rng-core virtio-rng button evdev pvpanic pvpanic-pci fat vfat nls_cp437 nls_ascii nls_iso8859-1'
for module in $modules; do
	file=$(find "$packages/lib/modules" -name "$module.ko" | head -n 1)
	[ -n "$file" ] || continue # built into this kernel
	cp "$file" "$guest/lib/modules/"
	echo "$module" >>"$guest/etc/modules"
done
find "$guest" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

tree=$scratch/tree
mkdir -p "$tree/boot/grub"
(cd "$guest" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -1n >"$tree/boot/initrd"
cp "$kernel" "$tree/boot/vmlinuz"
# loglevel: a serial line costs a trap per character. random.trust_cpu: no waiting for entropy at the first key.
# Mitigations protect nobody in a guest with one user. A panic stays on the console: nothing reboots it.
cat >"$tree/boot/grub/grub.cfg" <<-END
	linux /boot/vmlinuz console=ttyS0,115200 loglevel=4 net.ifnames=0 random.trust_cpu=on mitigations=off
	initrd /boot/initrd
	boot
END
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
assemble_disk "$output" "$tree" 160 tiny-root 7b6f6e61-6d69-4e74-8000-74696e790001
say "done"
