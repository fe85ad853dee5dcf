# Assembles a bootable disk from a folder: GPT, BIOS boot, UEFI or both, and one ext4 root partition that comes last, so
# that it can grow. Needs no loop device, no mount and no GRUB installation on a device: every piece is written into a
# plain file at a known place. Sourced by build scripts after lib/debian.sh; needs $scratch and what choose_architecture
# sets.
# shellcheck shell=bash

sector=512
root_start_mib=64
# In sectors, both below the root partition.
bios_start=2048 bios_size=2048
efi_start=4096 efi_size=126976
# The partitions have the numbers that Debian's own cloud images give them: root 1, BIOS boot 14, EFI system 15.
type_bios_boot=21686148-6449-6E6F-744E-656564454649
type_efi=C12A7328-F81F-11D2-BA4B-00A0C93EC93B

# What is run here besides coreutils, for `need`.
# shellcheck disable=SC2034 # read by the scripts that source this
disk_commands=(apt-get dpkg-deb mke2fs debugfs sfdisk grub-mkimage mformat mcopy qemu-img)

# assemble_disk OUTPUT ROOT_FOLDER SIZE_MIB LABEL UUID: OUTPUT is an uncompressed qcow2 file, there whole or not
# at all. ROOT_FOLDER holds boot/grub/grub.cfg. Owners of files are taken as they are: run it where they are right.
assemble_disk() {
	local output=$1 folder=$2 size_mib=$3 label=$4 uuid=$5
	local part=$scratch/part.raw
	make_root "$part" "$folder" $((size_mib - root_start_mib - 1)) "$label" "$uuid"
	finish_disk "$output" "$part" "$size_mib" "$uuid"
}

# make_root PART ROOT_FOLDER SIZE_MIB LABEL UUID: the root file system, as a sparse file.
make_root() {
	local part=$1 folder=$2 size_mib=$3 label=$4 uuid=$5
	say "making the root file system"
	truncate -s "${size_mib}M" "$part"
	# GRUB 2.06 and older kernels read neither of these two, which newer e2fsprogs switch on (older ones do not know
	# the first). The file is all zeros, hence nothing is left for the guest to zero at its first mount.
	local features='^metadata_csum_seed'
	mke2fs -V 2>&1 | grep -q ' 1\.4[0-6]' || features=$features,^orphan_file
	local epoch=${SOURCE_DATE_EPOCH:-}
	E2FSPROGS_FAKE_TIME=$epoch mke2fs -q -t ext4 -F -L "$label" -U "$uuid" -O "$features" \
		-E "hash_seed=$uuid,assume_storage_prezeroed=1,root_owner=0:0" -d "$folder" "$part"
	# It copies the time at which each inode was last changed, which nothing can set on the files themselves.
	[ -z "$epoch" ] || find "$folder" -printf "set_inode_field \"/%P\" ctime @$epoch\n" |
		E2FSPROGS_FAKE_TIME=$epoch debugfs -w -f - "$part" >/dev/null 2>&1
}

# finish_disk OUTPUT PART SIZE_MIB UUID: table, boot loaders and root partition into one disk. Removes PART.
finish_disk() {
	local output=$1 part=$2 size_mib=$3 uuid=$4
	local raw=$scratch/disk.raw root_sectors type_linux bios='' efi=''
	# The root partition's type says the architecture (Discoverable Partitions Specification). Both boot loaders where
	# both kinds of firmware are about; 32-bit PCs with UEFI hardly exist, and ARM has no BIOS.
	case $architecture in
	x86_64) bios=yes efi=yes type_linux=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 ;;
	i386) bios=yes type_linux=44479540-F297-41B2-9AF7-D131D5F0458A ;;
	arm64) efi=yes type_linux=B921B045-1DF0-41C3-AF44-4C6F280D3FAE ;;
	armhf) efi=yes type_linux=69DAD710-2CE4-4E3C-B16C-21A1D49ABED3 ;;
	esac
	root_sectors=$(($(stat -c %s "$part") / sector))

	say "partitioning"
	truncate -s "${size_mib}M" "$raw"
	sfdisk --quiet "$raw" <<-END
		label: gpt
		label-id: $(partition_uuid "$uuid" 0)
		first-lba: 2048
		1: start=$((root_start_mib * 2048)), size=$root_sectors, type=$type_linux, uuid=$(partition_uuid "$uuid" 1)
		${bios:+14: start=$bios_start, size=$bios_size, type=$type_bios_boot, uuid=$(partition_uuid "$uuid" 14)}
		${efi:+15: start=$efi_start, size=$efi_size, type=$type_efi, uuid=$(partition_uuid "$uuid" 15)}
	END
	dd if="$part" of="$raw" bs=1M seek="$root_start_mib" conv=notrunc,sparse status=none
	rm "$part"

	say "placing the boot loader"
	cat >"$scratch/early.cfg" <<-END
		search --no-floppy --fs-uuid --set=root $uuid
		set prefix=(\$root)/boot/grub
		configfile \$prefix/grub.cfg
	END
	[ -z "$bios" ] || install_bios_grub "$raw"
	[ -z "$efi" ] || install_efi_grub "$raw" "$uuid"

	say "writing ${output##*/}"
	# Uncompressed: every cold read of a compressed base costs the guest's host a decompression.
	qemu-img convert -f raw -O qcow2 "$raw" "$scratch/disk.qcow2"
	rm "$raw"
	# Beside its final place first, so that the last step cannot be half done.
	at_exit rm -f "$output.part"
	mv "$scratch/disk.qcow2" "$output.part"
	sync "$output.part"
	mv "$output.part" "$output"
}

# partition_uuid UUID NUMBER: the same for the same image, and different for each partition.
partition_uuid() { printf '%s%02x\n' "${1:0:34}" $((0x80 + $2)); }

# make_grub PACKAGE TARGET OUTPUT MODULE…: GRUB with what finds the root partition and reads its menu. The
# modules are Debian's, not the host's: they are there for every target, and the same for the same image.
make_grub() {
	local package=$1 target=$2 output=$3
	shift 3
	debian_extract "$scratch/grub" "$package"
	grub-mkimage -O "$target" -d "$scratch/grub/usr/lib/grub/$target" -o "$output" -p /boot/grub \
		-c "$scratch/early.cfg" part_gpt ext2 search search_fs_uuid configfile normal linux boot minicmd "$@"
}

# install_bios_grub RAW: GRUB's boot.img goes into the first sector, its core into the BIOS boot partition.
# Two places have to be told where the core really is (grub: boot.S, diskboot.S): boot.img at 0x5c holds the core's first
# sector, the core at 0x1f4 holds the first sector of its second part.
install_bios_grub() {
	local raw=$1 core=$scratch/core.img
	make_grub grub-pc-bin i386-pc "$core" biosdisk
	[ "$(stat -c %s "$core")" -le $((bios_size * sector)) ] || die "the boot loader does not fit its partition"
	# Bytes 440 to 511 are the disk's: signature, protective MBR, 55AA.
	head -c 440 "$scratch/grub/usr/lib/grub/i386-pc/boot.img" | patch_file "$raw" 0
	le64 $bios_start | patch_file "$raw" $((0x5c))
	dd if="$core" of="$raw" bs=$sector seek=$bios_start conv=notrunc status=none
	le64 $((bios_start + 1)) | patch_file "$raw" $((bios_start * sector + 0x1f4))
}

# install_efi_grub RAW UUID: a FAT file system in the EFI partition with GRUB under the name that firmware
# looks for on a disk that it does not know (UEFI specification, "Removable Media Boot Behavior").
install_efi_grub() {
	local raw=$1 uuid=$2 package target name
	case $architecture in
	x86_64) package=grub-efi-amd64-bin target=x86_64-efi name=BOOTX64.EFI ;;
	arm64) package=grub-efi-arm64-bin target=arm64-efi name=BOOTAA64.EFI ;;
	armhf) package=grub-efi-arm-bin target=arm-efi name=BOOTARM.EFI ;;
	*) die "there is no EFI boot loader for $architecture" ;;
	esac
	make_grub "$package" "$target" "$scratch/$name"
	# Serial number and times come from the image, so that the same packages give the same bytes.
	touch -d "@${SOURCE_DATE_EPOCH:-0}" "$scratch/$name"
	(
		export MTOOLSRC=/dev/null TZ=UTC
		part=$raw@@$((efi_start * sector))
		mformat -i "$part" -T $efi_size -h 64 -s 32 -H $efi_start -N "${uuid##*-????}" -v EFI ::
		mmd -i "$part" ::/EFI ::/EFI/BOOT
		mcopy -m -i "$part" "$scratch/$name" ::/EFI/BOOT/
	)
}

# le64 NUMBER: eight bytes, little-endian.
le64() {
	local shift
	for shift in 0 8 16 24 32 40 48 56; do
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $((($1 >> shift) & 0xff)))"
	done
}

# patch_file FILE OFFSET: overwrites bytes in place with standard input.
patch_file() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
