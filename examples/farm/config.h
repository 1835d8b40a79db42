/* SPDX-License-Identifier: MIT */
/* config.h - what the configuration file says. */
#ifndef FARM_CONFIG_H
#define FARM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define GUESTS_MAX   256u
#define NAME_MAX_LEN 40u
#define HOSTS_MAX    8u

enum net_kind { NET_NONE = 0, NET_USER, NET_SWITCH };
enum console_kind { CONSOLE_SERIAL = 0, CONSOLE_VIRTIO };

/* One [guest NAME]. */
struct guest_config {
	char name[NAME_MAX_LEN + 1];
	char *kernel, *initrd, *cmdline;
	char *disk;          /* a path; %n in it is the guest's number */
	uint64_t disk_bytes; /* the disk is made so large when there is none; 0: it has to be there
			      */
	uint64_t memory;
	uint32_t cpus;
	uint32_t count;    /* 0: one, called NAME; else NAME-1, NAME-2, … */
	uint32_t net;      /* enum net_kind */
	uint32_t console;  /* enum console_kind */
	uint32_t restart;  /* enum vmm_restart_policy */
	uint32_t watchdog; /* enum vmm_watchdog_action + 1; 0: none */
	uint32_t backoff_ms;
	char *ready, *failure;
};

struct config {
	char *folder; /* of the file: paths are relative to it */
	char *listen; /* ADDRESS:PORT */
	char *token_file;
	char *hosts[HOSTS_MAX]; /* further names that a request may call us by */
	uint32_t nr_hosts;
	struct guest_config *guests;
	uint32_t nr_guests;
};

/* Read @path. Returns 0; -1 after saying on stderr what is wrong, and in which line. */
int config_read(struct config *config, const char *path);
void config_free(struct config *config);

#endif
