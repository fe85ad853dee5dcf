#!/usr/bin/env bash
# Builds a debian-12 image: build.sh OUTPUT.qcow2 [ARCHITECTURE]
# A Debian 12 cloud image from Debian's packages: unmodified kernel, cloud-init and openssh, configured by the files
# in root/ and by customize.sh. Works as root, and as a user where the host allows user namespaces.
# Programs of the new system run while it is made: i386 on x86_64 as they are, others by qemu-user (packages
# qemu-user-static and binfmt-support), which takes many minutes.
set -euo pipefail
umask 022
output=${1:?usage: build.sh OUTPUT.qcow2 [ARCHITECTURE]}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/debian.sh
. "$here/../lib/debian.sh"
# shellcheck source=../lib/disk.sh
. "$here/../lib/disk.sh"
choose_architecture "${2:-x86_64}"
need "${disk_commands[@]}" mmdebstrap tar
make_scratch

size_mib=2048
label=cloudimg-rootfs
uuid=64656269-616e-4d31-8200-636c6f756400
packages=$kernel_package,$(sed 's/#.*//' "$here/packages" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')

# Files keep their owners only in the namespace that unpacked them, so the file system is made in there too. For root
# it is a mount namespace alone: nothing stays mounted whatever happens. A user's namespace can write only where
# everybody can, and its files can only be removed from within.
inside() { mmdebstrap --unshare-helper "$@"; }
chmod 0711 "$scratch"
open=$scratch/open
mkdir -m 1777 "$open"
at_exit inside rm -rf "$open/root" "$open/part.raw"

say "collecting files"
cp -r "$here/root" "$scratch/files"
sed -i "s/@CONSOLE@/$console/" "$scratch/files/boot/grub/grub.cfg"
tar -C "$scratch/files" --owner=0 --group=0 --mode=u=rwX,go=rX -cf "$scratch/files.tar" .
debian_sources >"$scratch/sources.list"

say "installing Debian 12 ($debian) from $mirror: 250 packages"
# The files come before the packages that they configure: the initramfs is then made once, and as it should be.
# shellcheck disable=SC2016
mmdebstrap --quiet --mode=unshare --variant=minbase --format=directory --architectures="$debian" \
	--include="$packages" \
	--dpkgopt=force-unsafe-io \
	--essential-hook="tar-in $scratch/files.tar /" \
	--customize-hook="upload $here/customize.sh /customize.sh" \
	--customize-hook='chroot "$1" sh -eu /customize.sh; rm "$1/customize.sh"' \
	bookworm "$open/root" "$scratch/sources.list"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$open/root/usr/share/doc/base-files/changelog.gz")}
# What mmdebstrap itself leaves behind at its very end.
inside bash -euc '
	cd "$1"
	: >etc/machine-id # empty, not absent: systemd then makes a new one without treating all units as never seen
	rm -f etc/hostname etc/resolv.conf etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
	ln -s ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
	printf "%s\n" "$2" >etc/apt/sources.list
' bash "$open/root" "$(mirror=http://deb.debian.org/debian security_mirror=http://deb.debian.org/debian-security debian_sources)"

export scratch
export -f make_root say
inside bash -euc 'make_root "$@"' bash "$open/part.raw" "$open/root" $((size_mib - root_start_mib - 1)) "$label" "$uuid"
finish_disk "$output" "$open/part.raw" "$size_mib" "$uuid"
say "done"
