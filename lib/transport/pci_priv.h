/* SPDX-License-Identifier: MIT */
/*
 * pci_priv.h - the inside of virtio over PCI, for pci.c and pci_regs.c.
 *
 * Locks: the bus's, then the doorbells', then the device's, then MSI-X's.
 */
#ifndef TRANSPORT_PCI_PRIV_H
#define TRANSPORT_PCI_PRIV_H

#include <linux/virtio_pci.h>
#include "bus/msix_priv.h"
#include "bus/pci_priv.h"
#include "transport/doorbell_priv.h"
#include "transport/transport_priv.h"

/* BAR 0: the registers. Notifications have a page of their own, so that it can be mapped alone. */
#define VIRTIO_PCI_BAR		0
#define COMMON_OFFSET		0x0000u
#define COMMON_LENGTH		0x3cu	/* up to queue_reset */
#define ISR_OFFSET		0x0100u
#define ISR_LENGTH		4u
#define CONFIG_OFFSET		0x0200u
#define NOTIFY_OFFSET		0x1000u
#define NOTIFY_MULTIPLIER	4u
#define VIRTIO_PCI_BAR_LENGTH	0x2000u

/* BAR 4: MSI-X. */
#define MSIX_BAR		4

#define ISR_QUEUE		1u	/* VIRTIO 1.2, 4.1.4.5 */
#define ISR_CONFIG		2u

struct virtio_pci {
	struct vmm_device *dev;
	struct pci_function function;
	struct msix msix;
	uint32_t msix_capability;
	uint32_t window_capability;	/* VIRTIO_PCI_CAP_PCI_CFG */
	bool msix_enabled;		/* atomic: written with the bus's lock */

	/* Atomic: written with the device's lock, read by whoever raises. */
	uint16_t config_vector;
	uint16_t queue_vectors[VMM_DEVICE_QUEUES_MAX];

	struct doorbells doorbells;
};

extern const struct vmm_range_ops vmm__virtio_pci_range;

#endif
