# Runs as root in the new system, after its packages are installed and before it is packed.

# cloud-init writes networkd's configuration; Debian leaves networkd itself off.
systemctl --quiet enable systemd-networkd.service

# One timer, socket or generator less is some tenths of a second of an emulated processor.
systemctl --quiet mask e2scrub_reap.service e2scrub_all.timer
rm -f /etc/ssh/ssh_host_*

passwd -l root >/dev/null
find /var/log -type f -delete
rm -rf /var/lib/cloud/* /var/cache/debconf/*-old /var/lib/dpkg/*-old
