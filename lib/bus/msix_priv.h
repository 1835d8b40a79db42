/* SPDX-License-Identifier: MIT */
/* msix_priv.h - the MSI-X table of a function (PCI 3.0, 6.8.2). */
#ifndef BUS_MSIX_PRIV_H
#define BUS_MSIX_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/range.h>

struct irqs;

#define MSIX_PBA_OFFSET		0x800u	/* the table comes first: up to 128 vectors */
#define MSIX_BAR_LENGTH		0x1000u

struct msix_vector {
	uint64_t address;
	uint32_t data;
	bool masked;
	bool routed;		/* KVM raises it when @fd is signalled */
	bool has_gsi;
	uint32_t gsi;
	int fd;			/* atomic: -1 until the vector is used */
};

struct msix {
	struct irqs *irqs;
	uint32_t requester;	/* who sends the messages: set before the guest runs */
	uint32_t nr;
	struct msix_vector *vectors;
	pthread_mutex_t lock;
	bool enabled;		/* the capability's control register */
	bool masked;
	bool retired;		/* no vector can be had any more */
};

/* What a BAR of MSIX_BAR_LENGTH answers with; the state is the struct msix. */
extern const struct vmm_range_ops vmm__msix_range;

int vmm__msix_init(struct msix *m, struct irqs *irqs, uint32_t nr);
void vmm__msix_finish(struct msix *m);

/* Its function is gone: give everything back; what still comes does nothing. Then finish it. */
void vmm__msix_retire(struct msix *m);

/* As after power on. */
void vmm__msix_reset(struct msix *m);

/* The control register was written. */
void vmm__msix_control(struct msix *m, bool enabled, bool masked);

/* Something will signal @vector: get ready. -EINVAL: there is none such; -ENOSPC, -EMFILE. */
int vmm__msix_use(struct msix *m, uint32_t vector);

/* Any thread; one system call, no lock. While the vector is masked the signal waits. */
void vmm__msix_signal(struct msix *m, uint32_t vector);

#endif
