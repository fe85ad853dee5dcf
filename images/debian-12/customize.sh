#!/usr/bin/env bash
# Turns a plain Debian root file system into the debian-12 image: customize.sh ROOT_FOLDER
# Called by mmdebstrap as its hook, where owners are right.
set -euo pipefail
root=$1
: "${BONAMI_ROOT_UUID:?}" "${BONAMI_LABEL:?}"
write() { # write PATH: standard input becomes the file
	mkdir -p "$root${1%/*}"
	cat >"$root$1"
}

write /etc/fstab <<-END
	LABEL=$BONAMI_LABEL / ext4 rw,discard,errors=remount-ro 0 1
END
write /etc/hostname <<<localhost
write /etc/hosts <<-END
	127.0.0.1 localhost
	::1 localhost ip6-localhost ip6-loopback
END

# No menu: a cloud instance has nobody to choose. Both consoles get the kernel's messages, the serial one is
# /dev/console.
kernel=$(basename "$(ls -1 "$root"/boot/vmlinuz-* | sort -V | tail -n 1)")
version=${kernel#vmlinuz-}
write /boot/grub/grub.cfg <<-END
	set timeout=0
	linux /boot/vmlinuz-$version root=UUID=$BONAMI_ROOT_UUID ro console=tty0 console=ttyS0,115200 net.ifnames=0 quiet loglevel=4
	initrd /boot/initrd.img-$version
	boot
END

# Only what a virtual machine's disk needs: a quarter of the size to read and unpack before root is mounted.
write /etc/initramfs-tools/conf.d/bonami <<-END
	MODULES=list
	COMPRESS=zstd
	COMPRESSLEVEL=3
	RESUME=none
	FSTYPE=ext4
END
printf '%s\n' virtio_pci virtio_blk virtio_scsi nvme ext4 >>"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k all >/dev/null

# systemd-networkd has its lease in a fraction of the time that ifupdown and dhclient take; cloud-init renders
# netplan for it. Waiting for one interface is enough to be online.
chroot "$root" systemctl enable --quiet systemd-networkd systemd-resolved ssh
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
write /etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf <<-END
	[Service]
	ExecStart=
	ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=30
END

# RSA and ECDSA host keys take 14 s of an emulated processor; every SSH client since 2014 speaks Ed25519.
# The list of datasources is a list of candidates: ds-identify still decides by what the machine looks like.
write /etc/cloud/cloud.cfg.d/10_bonami.cfg <<-END
	datasource_list: [NoCloud, Ec2, None]
	ssh_genkeytypes: [ed25519]
	system_info:
	  network:
	    renderers: [netplan, networkd]
END
write /etc/ssh/sshd_config.d/bonami.conf <<-END
	HostKey /etc/ssh/ssh_host_ed25519_key
	UseDNS no
END

# Timers and services that a fresh instance has no use for in its first minute. They are disabled, not removed.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
	fstrim.timer systemd-pstore.service getty@tty1.service; do
	chroot "$root" systemctl disable --quiet "$unit" 2>/dev/null || true
done
# The journal stays in memory until something asks for more: no flush to a cold disk during boot.
write /etc/systemd/journald.conf.d/bonami.conf <<-END
	[Journal]
	Storage=volatile
	RuntimeMaxUse=32M
END

# Python is two thirds of a first boot: byte code that is there need not be made.
chroot "$root" python3 -m compileall -q -j 0 /usr/lib/python3/dist-packages /usr/lib/python3.11 >/dev/null || true

# What must differ from one instance to the next is made by the instance.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
: >"$root/etc/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/{apt,dpkg.log,alternatives.log,bootstrap.log} \
	"$root"/var/lib/cloud/* "$root"/tmp/*
