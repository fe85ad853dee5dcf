#!/usr/bin/env bash
# Builds a tiny image: build.sh OUTPUT.qcow2 [ARCHITECTURE]
# Debian's kernel and an initramfs of busybox, dropbear and the scripts in root/. All of the system is in the initramfs;
# the root partition holds kernel, initramfs and boot loader, and keeps what must survive a stop. Nothing of the guest
# is executed here, so it is built for any architecture on any.
set -euo pipefail
umask 022
output=${1:?usage: build.sh OUTPUT.qcow2 [ARCHITECTURE]}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/debian.sh
. "$here/../lib/debian.sh"
# shellcheck source=../lib/disk.sh
. "$here/../lib/disk.sh"
choose_architecture "${2:-x86_64}"
need "${disk_commands[@]}" cpio gzip
make_scratch

say "fetching packages from $mirror"
packages=$scratch/packages
debian_extract "$packages" "$kernel_package" busybox-static dropbear-bin openssh-sftp-server \
	libc6 libcrypt1 libtomcrypt1 libtommath1 libgmp10 zlib1g
kernel=$(find "$packages/boot" -name 'vmlinuz-*')
# Everything carries the kernel's date, so that the same packages give the same image.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$kernel")}

say "packing the initramfs"
guest=$scratch/guest
mkdir -p "$guest"/{bin,sbin,dev,proc,sys,lib/modules,usr/lib,usr/sbin,usr/bin,etc,root,home/tiny}
# Its other names are made by busybox itself, in the guest.
cp "$packages/bin/busybox" "$guest/bin/"
ln -s busybox "$guest/bin/sh"
ln -s bin/busybox "$guest/init"
cp -r "$here/root/." "$guest/"
# No password opens either of them: `*` matches none, and keys come from the metadata service.
printf '%s\n' 'root:*:0:0:root:/root:/bin/sh' 'tiny:*:1000:1000:tiny:/home/tiny:/bin/sh' >"$guest/etc/passwd"
printf '%s\n' 'root:x:0:' 'tiny:x:1000:' >"$guest/etc/group"
echo /bin/sh >"$guest/etc/shells"
cp "$packages/usr/sbin/dropbear" "$packages/usr/bin/dropbearkey" "$guest/usr/sbin/"
cp "$packages/usr/lib/openssh/sftp-server" "$guest/usr/lib/"
# A program names its loader by a path in /lib, on x86_64 in /lib64.
ln -s lib "$guest/lib64"
cp "$(find "$packages/lib" -type f -name 'ld-linux*.so.*')" "$guest/lib/"
for library in libc.so.6 libcrypt.so.1 libtomcrypt.so.1 libtommath.so.1 libgmp.so.10 libz.so.1; do
	cp -L "$(find "$packages" -name "$library" | head -n 1)" "$guest/lib/"
done

# add_module NAME: a kernel module after those that it needs; nothing when it is built into this kernel.
: >"$guest/etc/modules"
add_module() {
	local file other
	file=$(find "$packages/lib/modules" -name "${1//[-_]/[-_]}.ko")
	[ -n "$file" ] || return 0
	for other in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' '); do add_module "$other"; done
	[ ! -e "$guest/lib/modules/${file##*/}" ] || return 0
	cp "$file" "$guest/lib/modules/"
	basename "$file" .ko >>"$guest/etc/modules"
}
# Disks, network, entropy, the power button, panics, file systems; crc32c is what ext4 asks for only by the algorithm.
for module in virtio_pci virtio_blk nvme virtio_net virtio-rng button evdev pvpanic-pci \
	crc32c_generic ext4 vfat nls_cp437 nls_ascii nls_iso8859-1; do
	add_module $module
done
find "$guest" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

tree=$scratch/tree
mkdir -p "$tree/boot/grub"
(cd "$guest" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -1n >"$tree/boot/initrd"
cp "$kernel" "$tree/boot/vmlinuz"
# loglevel: a serial line costs a trap per character. random.trust_cpu: no waiting for entropy at the first key.
# Mitigations protect nobody in a guest with one user. A panic stays on the console: nothing reboots it.
cat >"$tree/boot/grub/grub.cfg" <<-END
	linux /boot/vmlinuz console=$console loglevel=4 net.ifnames=0 random.trust_cpu=on mitigations=off
	initrd /boot/initrd
	boot
END
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
assemble_disk "$output" "$tree" 160 tiny-root 7b6f6e61-6d69-4e74-8000-74696e790001
say "done"
