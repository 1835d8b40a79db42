/* SPDX-License-Identifier: MIT */
/*
 * fake_machine.h - a machine without KVM: real buses, loop and memory; eventfds that
 * "KVM" would watch are written down, and a guest's access goes first to those, as it would there.
 * And a driver that writes rings by hand.
 */
#ifndef TESTS_FAKE_MACHINE_H
#define TESTS_FAKE_MACHINE_H

#include "arch/arch_priv.h"
#include "bus/bus_priv.h"
#include "bus/pci_priv.h"
#include "core/ioevent_priv.h"
#include "core/irq_priv.h"
#include "core/loop_priv.h"
#include "core/memory_priv.h"
#include "devices/device_priv.h"
#include "transport/transport_priv.h"

#define FAKE_RAM	0x100000u
#define FAKE_GSIS	4096u

/* Where the driver below has its rings, and 64 KiB for buffers. */
#define RING(queue)	(0x10000u + 0x8000u * (queue))
#define RING_DESC(q)	(RING(q) + 0x0000)
#define RING_AVAIL(q)	(RING(q) + 0x4000)
#define RING_USED(q)	(RING(q) + 0x5000)
#define BUFFERS		0x80000u

struct fake_machine {
	unsigned char *ram;
	struct vmm_mem mem;
	struct bus mmio;
	struct bus ports;
	struct irqs irqs;
	struct pci_bus *pci;
	struct vmm_loop *loop;
	struct loop_cancel cancel;
	uint32_t mmio_taken;
	struct device_host host;

	/* What the rest of the library was told. */
	int broken;
	char why[160];

	/* What KVM was told. */
	struct ioevent ioevents[256];
	uint32_t nr_ioevents;
	int irqfds[FAKE_GSIS];		/* the eventfd of a GSI, or -1 */
	bool lines[64];
	uint32_t line_changes;
	uint32_t pulses[64];
	bool gsi_used[FAKE_GSIS];
	struct {
		uint64_t address;
		uint32_t data;
		uint32_t requester;
		bool set;
	} routes[FAKE_GSIS];
	uint32_t route_changes;

	/* What it answers. */
	bool own_pins;			/* the pins are not KVM's: no irqfds, but pulses */
	bool refuse_ioevents;
	bool refuse_gsis;
	bool refuse_routes;
};

extern struct fake_machine fake;

void fake_setup(bool with_pci);
void fake_teardown(void);

/* Dispatch until nothing is left to do. */
void fake_run(void);

/* A guest's access: KVM's eventfds first, then the buses. */
void fake_write(uint64_t address, uint32_t width, uint64_t value);
uint64_t fake_read(uint64_t address, uint32_t width);
bool fake_caught(uint64_t address, uint32_t width, uint64_t value);	/* by an ioeventfd? */

/* How often @gsi was raised since last time: what is in the eventfd that KVM has of it. */
uint64_t fake_raised(uint32_t gsi);

/* Descriptors of this process. */
int fake_count_fds(void);

/* ---- the driver's side of a ring ---- */

void driver_clear(uint32_t queue);
void driver_desc(uint32_t queue, int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
void driver_offer(uint32_t queue, uint32_t size, uint16_t head);
uint16_t driver_used(uint32_t queue);

/* ---- a front end ---- */

struct fake_device {
	struct vmm_device *dev;
	struct vmm_features features;	/* as activated */
	int activations;
	int resets;
	int queue_resets[VMM_DEVICE_QUEUES_MAX];
	int destroyed;
	int config_writes;
	uint32_t config_offset, config_len;
	unsigned char config_data[8];
	int kicks[VMM_DEVICE_QUEUES_MAX];
	int popped;
	int activate_result;
	bool hold;			/* keep what is popped */
	bool stay;			/* do not pop at all */
	struct vmm_chain held[16];
	struct vmm_queue *held_queue[16];
	int nr_held;
};

extern const struct vmm_device_ops fake_device_ops;
extern const struct vmm_device_ops fake_reset_ops;	/* with queue_reset() */
void fake_device_give_back(struct fake_device *d);

#endif
