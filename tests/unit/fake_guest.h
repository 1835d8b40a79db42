/* SPDX-License-Identifier: MIT */
/*
 * fake_guest.h - a guest without KVM: memory, one device, and a driver whose every lie is allowed.
 *
 * The device is plugged in by its own vmm_add_ call, which ends here:
 * fake_guest.c defines vmm_add_device(), vmm_loop_of() and a transport that counts
 * interrupts, and the linker looks into the library only for what is still missing.
 * The rings are written by hand, never through the code under test.
 */
#ifndef TESTS_FAKE_GUEST_H
#define TESTS_FAKE_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/vmm.h>

enum {
	FAKE_RAM	= 0x10000,	/* where the guest's memory begins */
	FAKE_RAM_BYTES	= 4 << 20,
	FAKE_RINGS	= FAKE_RAM,	/* the rings of queue n: 16 KiB from here + n * 16 KiB on */
	FAKE_DATA	= FAKE_RAM + 0x20000,	/* the test's own */
	FAKE_QUEUE_SIZE	= 64,		/* of every queue, whatever the device offers */
};

/* A guest with its own loop, driven by fake_run(), and the pointer to give to vmm_add_ calls. */
void fake_guest_start(void);
void fake_guest_finish(void);
struct vmm *fake_vm(void);
struct vmm_loop *fake_loop(void);

/* The device: plugged in once the vmm_add_ call has returned 0, out by this. */
struct vmm_device *fake_device(void);
void fake_unplug(void);
void fake_refuse_device(int error);	/* the next vmm_add_device() fails so; 0: no longer */

/* Dispatch until there is nothing left to do. */
void fake_run(void);

void *fake_ptr(uint64_t gpa);

/* ---- the driver ---- */

/* Negotiate @features (of word 0; VERSION_1 is added), bring @nr queues up, set DRIVER_OK. */
void fake_driver_up(uint32_t features, unsigned nr);
void fake_driver_up_with(uint32_t features, uint32_t more, unsigned nr);	/* of word 1 too */
void fake_driver_reset(void);
bool fake_needs_reset(void);
uint32_t fake_offered(unsigned word);
const char *fake_why(void);		/* the words of the device's breaking; "" if it has not */

void fake_desc(unsigned queue, uint16_t index, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t next);
void fake_offer(unsigned queue, uint16_t head);
void fake_kick(unsigned queue);		/* and nothing more: fake_run() has the device see it */

/* The used ring: how far it is, and its element @index (0, 1, ... since the queue went up). */
uint16_t fake_used(unsigned queue);
uint32_t fake_used_head(unsigned queue, uint16_t index);
uint32_t fake_used_len(unsigned queue, uint16_t index);
unsigned fake_interrupts(unsigned queue);	/* since the guest started */
unsigned fake_config_interrupts(void);

#endif
