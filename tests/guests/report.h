/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a test guest and its host say to each other.
 *
 * A range of ports, 32 bits each; of addresses where there are no ports. The host answers them with vmm_add_range().
 */
#ifndef GUESTS_REPORT_H
#define GUESTS_REPORT_H

enum {
#ifdef __x86_64__
	REPORT_BASE	= 0xe00,
#else
	REPORT_BASE	= 0x0b000000,
#endif
	REPORT_STEP	= REPORT_BASE + 0x00,	/* out: the guest got as far as step n */
	REPORT_VALUE	= REPORT_BASE + 0x04,	/* out: what was found, before a failure */
	REPORT_FAIL	= REPORT_BASE + 0x08,	/* out: the line of the check that failed */
	REPORT_DONE	= REPORT_BASE + 0x0c,	/* out: the guest came to its end */
	REPORT_PARAM	= REPORT_BASE + 0x20,	/* in: parameter n at + 4 * n */
	REPORT_PARAMS	= 8,
	REPORT_LENGTH	= 0x40,
};

/* Parameters, and what a program does with them. */
enum {
	PARAM_TRANSPORT	= 0,	/* enum vmm_transport */
	PARAM_DEVICES	= 1,	/* WITH_* */
	PARAM_SECTORS	= 2,	/* of the disk */
	PARAM_ROUNDS	= 3,
	PARAM_SEED	= 4,
	PARAM_RAM	= 5,	/* bytes */
	PARAM_END	= 6,	/* END_*: see ending.c */
	PARAM_IRQCHIP	= 7,	/* enum vmm_irqchip */
};

enum {
	END_POWEROFF	= 0,
	END_REBOOT	= 1,
	END_FAULT	= 2,	/* triple fault */
	END_PANIC	= 3,
	END_SPIN	= 4,	/* does not end */
	END_OOPS	= 5,	/* says so on its console, and spins */
	END_UNFED	= 6,	/* starts its watchdog, and spins */
};

enum {
	WITH_BLOCK	= 1 << 0,
	WITH_NET	= 1 << 1,
	WITH_CONSOLE	= 1 << 2,
	WITH_RNG	= 1 << 3,
	WITH_RESET	= 1 << 4,	/* a disk that holds its first request back */
};

enum {
	STEP_CONSOLE	= 1,	/* the console's output was sent, its input is awaited */
	STEP_RESET	= 2,	/* the disk was reset with a request in flight */
	STEP_UP		= 3,	/* all devices are up */
	STEP_ROUND	= 4,	/* a round is over */
	STEP_CAME	= 5,	/* a device came and was used */
	STEP_WENT	= 6,	/* one was ejected */
};

/* What slots.c does beyond what it should: PARAM_SEED. */
enum {
	SLOTS_REFUSE	= 1 << 0,	/* never ejects */
	SLOTS_UNASKED	= 1 << 1,	/* ejects all slots all the time, and uses what came once more */
	SLOTS_HAMMER	= 1 << 2,	/* pays no heed to what comes, and writes to slot 1 all the time */
};

/* What is written, typed and sent. */
#define DISK_SERIAL	"libvmm-test-disk"
#define CONSOLE_OUT	"the guest writes\n"
#define CONSOLE_IN	"the host types\n"
#define NET_MAC		0x52, 0x54, 0x00, 0x12, 0x34, 0x56

#endif
