/* SPDX-License-Identifier: MIT */
/*
 * user_priv.h - the parts of the user-mode network that stand on their own:
 * what its config means, and which of the guest's frames reach the stack.
 */
#ifndef BACKENDS_NET_USER_PRIV_H
#define BACKENDS_NET_USER_PRIV_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvmm/net.h>

/* ---- user_config.c ---- */

#define USER_HOSTNAME_MAX	32u	/* what the stack keeps of it */
#define USER_FORWARDS_MAX	256u

struct user_forward {
	bool udp;
	uint16_t host_port;
	uint16_t guest_port;
	struct in_addr host;
	struct in_addr guest;
};

/* A config that was checked, and needs nothing of the caller's any more. */
struct user_config {
	struct in_addr network, mask;
	struct in_addr host;		/* .2 */
	struct in_addr dns;		/* .3 */
	struct in_addr dhcp;		/* .15 */
	bool restrict_guest;
	bool no_host;
	char hostname[USER_HOSTNAME_MAX + 1];
	struct user_forward *forwards;
	uint32_t nr_forwards;
};

int vmm__user_config_init(struct user_config *config, const struct vmm_net_user_config *from);
void vmm__user_config_finish(struct user_config *config);

/* ---- user_gate.c ---- */

/*
 * Sockets of the host's that one guest may hold. Each also holds up to 256 KiB
 * of the stack's buffers.
 */
#define USER_SOCKETS_MAX	512u

struct user_gate {
	struct in_addr host;		/* the stack's own address */
	uint32_t nr_sockets;		/* held now; counted by user.c */
};

void vmm__user_gate_init(struct user_gate *gate, struct in_addr host);

/* Whether the stack is to see this frame, which the guest can no longer change. */
bool vmm__user_gate_admits(const struct user_gate *gate, const unsigned char *frame, size_t length);

#endif
