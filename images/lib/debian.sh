# Debian packages for image recipes, taken with apt's own verification but without touching the host's apt state.
# Sourced by build scripts.
# shellcheck shell=bash

export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
mirror=${BONAMI_DEBIAN_MIRROR:-http://deb.debian.org/debian}
# `off`: the release and its point releases alone, for where a mirror does not keep the security updates of an
# architecture, and for images that nobody depends on.
security_mirror=${BONAMI_DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "==> $*" >&2; }

die() {
	echo "error: $*" >&2
	exit 1
}

# need COMMAND…: ends the build before it begins when a program is missing.
need() {
	local command
	for command in "$@"; do
		command -v "$command" >/dev/null || die "'$command' is missing"
	done
	[ -r "$keyring" ] || die "'$keyring' is missing: sudo apt-get install debian-archive-keyring"
}

# make_scratch: a folder $scratch that is gone when the script ends, however it ends.
make_scratch() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/bonami-image-XXXXXX")
	at_exit rm -rf "$scratch"
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# at_exit COMMAND…: runs it when the script ends, before what was given earlier.
exit_commands=
at_exit() {
	exit_commands="$(printf '%q ' "$@")"$'\n'"$exit_commands"
	# shellcheck disable=SC2064
	trap "$exit_commands" EXIT
}

debian_sources() {
	cat <<-END
		deb [signed-by=$keyring] $mirror bookworm main
		deb [signed-by=$keyring] $mirror bookworm-updates main
	END
	[ "$security_mirror" = off ] || echo "deb [signed-by=$keyring] $security_mirror bookworm-security main"
}

# choose_architecture ARCHITECTURE: for one of EC2's architectures sets $architecture, $debian (Debian's name for it),
# $kernel_package and $console (the kernel's word for the serial port). The kernel is the one made for virtual machines
# where there is one; on i386 it is PAE, because instance types with 4 GiB reach above 32 bits.
choose_architecture() {
	architecture=$1 debian=$1
	case $architecture in
	x86_64) debian=amd64 kernel_package=linux-image-cloud-amd64 console=ttyS0,115200 ;;
	i386) kernel_package=linux-image-686-pae console=ttyS0,115200 ;;
	arm64) kernel_package=linux-image-cloud-arm64 console=ttyAMA0 ;;
	armhf) kernel_package=linux-image-armmp console=ttyAMA0 ;;
	*) die "'$architecture' is none of x86_64, i386, arm64, armhf" ;;
	esac
	# shellcheck disable=SC2034 # read by the scripts that source this
	readonly architecture debian kernel_package console
}

# debian_extract TARGET PACKAGE…: downloads packages of $debian and unpacks their files below TARGET.
# Dependencies are not followed: a one-file guest wants exactly what it names.
debian_extract() {
	local target=$1
	shift
	local state=$scratch/apt
	mkdir -p "$state"/{lists/partial,archives/partial} "$target"
	debian_sources >"$state/sources.list"
	: >"$state/status"
	local options=(
		-qq -o "APT::Architecture=$debian" -o "APT::Architectures=$debian"
		-o "Dir::State=$state" -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status"
		-o "Dir::Cache=$state" -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=-
		-o APT::Sandbox::User=root -o Acquire::Languages=none
	)
	[ -e "$state/updated" ] || apt-get "${options[@]}" update ||
		die "no usable package index for $debian: name other mirrors in BONAMI_DEBIAN_MIRROR and BONAMI_DEBIAN_SECURITY_MIRROR ('off' builds without security updates)"
	: >"$state/updated"
	local package wanted=()
	for package in "$@"; do
		# A meta package (linux-image-cloud-amd64) stands for the one it depends on.
		case $package in
		linux-image-*) package=$(apt-cache "${options[@]}" depends --important "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9]\)/\1/p' | head -n 1) ;;
		esac
		wanted+=("$package")
	done
	(cd "$state/archives" && apt-get "${options[@]}" download "${wanted[@]}")
	local file
	for file in "$state"/archives/*.deb; do
		dpkg-deb -x "$file" "$target"
		rm "$file"
	done
}
