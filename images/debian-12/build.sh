#!/usr/bin/env bash
# Builds the debian-12 image: build.sh OUTPUT.qcow2
# A Debian 12 cloud image from Debian's packages: unmodified cloud-init, openssh and kernel, configured by the files
# in root/. Works as root, and as a user where the host allows user namespaces (mmdebstrap --mode=unshare).
set -euo pipefail
umask 022
output=${1:?usage: build.sh OUTPUT.qcow2}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/debian.sh
. "$here/../lib/debian.sh"
# shellcheck source=../lib/disk.sh
. "$here/../lib/disk.sh"
need mmdebstrap mke2fs sfdisk grub-mkimage qemu-img tar
make_scratch

size_mib=2048
label=cloudimg-rootfs
uuid=64656269-616e-4d31-8200-636c6f756401
packages=$(sed 's/#.*//' "$here/packages" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')

# Files keep their owners only inside of the namespace that unpacked them, so the file system is made in there too.
# Users of that namespace own nothing in ours: what they write goes to a folder open to them.
mode=root
inside=()
if [ "$(id -u)" != 0 ]; then
	mode=unshare
	inside=(mmdebstrap --unshare-helper)
	chmod 0711 "$scratch"
fi
mkdir -m 1777 "$scratch/open"
root=$scratch/open/root
on_exit() { "${inside[@]}" rm -rf "$root" "$scratch/open/part.raw"; }

say "collecting files"
tar -C "$here/root" --owner=0 --group=0 --mode=u=rwX,go=rX -cf "$scratch/files.tar" .

say "installing Debian 12 from $mirror (about 230 packages)"
debian_sources >"$scratch/sources.list"
mmdebstrap --quiet --mode="$mode" --variant=minbase --format=directory --include="$packages" \
	--aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
	--essential-hook="tar-in '$scratch/files.tar' /" \
	--customize-hook="upload '$here/customize.sh' /customize.sh" \
	--customize-hook='chroot "$1" sh -eu /customize.sh && rm "$1/customize.sh"' \
	bookworm "$root" "$scratch/sources.list"
