/* SPDX-License-Identifier: MIT */
/*
 * devices.c - ways of having devices that the matrix does not go through.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libvmm/device.h>

#include "files.h"
#include "guest.h"
#include "harness.h"
#include "server.h"

/* No message signalled interrupts: all devices on the pins, which they share. */
static void nomsi(const void *arg)
{
	struct server *server = server_start();
	char *disk = files_copy_disk("disk");
	const struct guest_spec spec = { .cpus = 2, .disk = disk, .ram_disk_mb = 64, .net = true };
	struct guest g;
	char words[256];

	snprintf(words, sizeof(words),
		 "pci=nomsi test.do=disk,rawdisk,net,rng test.mb=4 test.net=10.0.2.2:%u "
		 "test.netmb=4",
		 server_port(server));
	guest_open(&g, &spec);
	guest_load(&g, words);
	guest_start(&g);
	guest_expect(&g, "ok disk", 60);
	guest_expect(&g, "ok rawdisk", 30);
	guest_expect(&g, "ok net", 60);
	guest_expect(&g, "ok rng", 10);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
	files_check_disk(disk);
	server_stop(server);
	free(disk);
}

/* The serial port as the only console, both ways. */
static void serial(const void *arg)
{
	const struct guest_spec spec = {
		.serial = true,
		.transport = VMM_TRANSPORT_MMIO,
		.ram_disk_mb = 64,
		.words = "test.do=boot,rawdisk,echo test.raw=vda test.mb=4",
	};
	struct guest g;

	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	guest_expect(&g, "ok rawdisk", 30);
	guest_expect(&g, "ready echo", 10);
	guest_type(&g, "by the serial port\n");
	guest_expect(&g, "echo by the serial port", 5);
	guest_type(&g, "end\n");
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
}

void devices_add(void)
{
	harness_add(&(struct scenario){ "devices/nomsi", nomsi, NULL, 150, true });
	harness_add(&(struct scenario){ "devices/serial", serial, NULL, 120, true });
}
