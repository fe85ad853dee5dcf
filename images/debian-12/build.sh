#!/usr/bin/env bash
# Builds the debian-12 image from Debian's packages: build.sh OUTPUT.qcow2
# The same kind of image as Debian's own cloud image: unmodified cloud-init, openssh-server, serial console, a root
# file system that grows. What differs is chosen for a quick first boot, and each choice says why (customize.sh).
# Works as root, and as an ordinary user where the host allows user namespaces.
set -euo pipefail
umask 022
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
output=${1:?usage: build.sh OUTPUT.qcow2}
scratch=$(mktemp -d "${output%/*}/.debian-12-XXXXXX")
# In a user namespace the files belong to mapped users: only the namespace's own root can remove them.
trap 'rm -rf "$scratch" 2>/dev/null || unshare --map-auto --map-root-user rm -rf "$scratch"; rm -f "$output.part"' EXIT
trap 'exit 130' INT TERM
# shellcheck source=../lib/debian.sh
. "$here/../lib/debian.sh"
# shellcheck source=../lib/disk.sh
. "$here/../lib/disk.sh"
need mmdebstrap mke2fs sfdisk grub-mkimage qemu-img

packages=(
	linux-image-cloud-amd64 initramfs-tools systemd-sysv udev dbus systemd-resolved libpam-systemd
	# cloud-init 22.4 asks for its first lease by dhclient; afterwards networkd has the interface.
	cloud-init cloud-guest-utils isc-dhcp-client netplan.io iproute2
	openssh-server sudo ca-certificates curl less
	e2fsprogs fdisk gdisk python3-yaml zstd
)
root_uuid=7b6f6e61-6d69-4465-8269-616e31320001
label=cloudimg-rootfs

mode=unshare
[ "$(id -u)" = 0 ] && mode=root
say "installing Debian 12 from $mirror (about 250 packages)"
debian_sources >"$scratch/sources.list"
SOURCE_DATE_EPOCH=$(date -u -d 'today 00:00' +%s)
export SOURCE_DATE_EPOCH
mmdebstrap --quiet --mode="$mode" --variant=minbase --format=tar \
	--include="$(IFS=, && echo "${packages[*]}")" \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--aptopt='APT::Install-Recommends "false"' \
	--customize-hook='echo "==> configuring the image" >&2' \
	--customize-hook="BONAMI_ROOT_UUID=$root_uuid BONAMI_LABEL=$label '$here/customize.sh' \"\$1\"" \
	bookworm "$scratch/root.tar" - <"$scratch/sources.list" >&2

# Unpacking and mke2fs happen where the archive's owners can be set.
say "unpacking"
assemble() {
	mkdir "$scratch/root"
	tar -xf "$scratch/root.tar" -C "$scratch/root" --numeric-owner
	rm "$scratch/root.tar"
	assemble_disk "$output" "$scratch/root" 2048 "$label" "$root_uuid"
	rm -rf "$scratch/root"
}
if [ "$mode" = root ]; then
	assemble
else
	export scratch output label root_uuid
	export -f assemble assemble_disk install_grub patch le32 le64 say die
	sector=$sector root_start_mib=$root_start_mib unshare --map-auto --map-root-user bash -euc assemble
fi
say "done"
