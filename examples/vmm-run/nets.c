/* SPDX-License-Identifier: MIT */
/*
 * nets.c - networks: --net, and what stands behind each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nets.h"
#include "values.h"

/* ---- reading ---- */

static const struct {
	const char *prefix;
	uint32_t kind;
} kinds[] = {
	{ "tap:", NET_TAP },
	{ "tapfd:", NET_TAP_FD },
	{ "stream:", NET_STREAM },
	{ "listen:", NET_LISTEN },
	{ "dgram:", NET_DGRAM },
};

/* One word after a comma. Returns as options_parse(). */
static int word(struct net_option *n, const char *text)
{
	uint32_t mtu;
	int r;

	if (strcmp(text, "thread") == 0) {
		n->own_thread = true;
		return -1;
	}
	if (strcmp(text, "plain") == 0) {
		n->plain = true;
		return -1;
	}
	if (strncmp(text, "queues=", 7) == 0)
		return number("net queues", text + 7, VMM_NET_QUEUE_PAIRS_MAX, &n->queues);
	if (strncmp(text, "rate=", 5) == 0)
		return size("net rate", text + 5, &n->rate);
	if (strncmp(text, "mtu=", 4) == 0) {
		r = number("net mtu", text + 4, UINT16_MAX, &mtu);
		n->mtu = r < 0 ? (uint16_t)mtu : 0;
		return r;
	}
	if (strncmp(text, "mac=", 4) != 0)
		return wrong("net", text, "thread, plain, mac=, mtu=, queues= or rate=");
	if (!parse_mac(text + 4, n->mac))
		return wrong("net", text, "mac= and six bytes of a unicast address");
	return -1;
}

static int target(struct net_option *n, char *text)
{
	if (strcmp(text, "user") == 0) {
		n->kind = NET_USER;
		return -1;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(text, kinds[i].prefix, length) != 0)
			continue;
		n->kind = kinds[i].kind;
		n->path = text + length;
		if (n->kind == NET_TAP_FD)
			return number("net tapfd", n->path, INT32_MAX, &n->fd);
		if (n->kind != NET_DGRAM)
			return -1;
		n->local_path = strchr(n->path, ':');
		if (!n->local_path)
			return wrong("net", text, "dgram:PEER:OURS, two paths");
		text[n->local_path - text] = '\0';
		n->local_path++;
		return -1;
	}
	return wrong("net", text,
		     "user, tap:NAME, tapfd:N, stream:PATH, listen:PATH, dgram:PEER:OURS or none");
}

int nets_parse(struct options *o, char *text)
{
	struct net_option *n = &o->nets[o->nr_nets];
	char *after;
	int r = -1;

	if (strcmp(text, "none") == 0) {
		o->no_net = true;
		return -1;
	}
	if (o->nr_nets == MAX_NETS)
		return wrong("net", text, "no more networks");
	while (r < 0 && (after = cut_word(text)) != NULL)
		r = word(n, after);
	if (r < 0)
		r = target(n, text);
	if (r < 0 && n->queues > 0 && n->kind != NET_TAP)
		r = wrong("net queues", text, "tap:NAME");
	if (r < 0)
		o->nr_nets++;
	return r;
}

/* ---- opening ---- */

static int open_user(const struct options *o, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_user_config config = VMM_NET_USER_CONFIG_INIT;

	config.forwards = o->forwards;
	config.nr_forwards = o->nr_forwards;
	return vmm_net_open_user(&config, ret_netdev);
}

static int open_tap(const struct net_option *n, struct vmm_netdev **ret_netdev,
		    const char **ret_hint)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;
	int r;

	if (n->kind == NET_TAP_FD)
		config.fd = (int)n->fd;
	else
		config.name = n->path;
	config.queue_pairs = n->queues;
	r = vmm_net_open_tap(&config, ret_netdev);
	if (r == -EPERM)
		*ret_hint = "ip tuntap add NAME mode tap user USER makes one";
	else if (r == -EINVAL && n->queues > 1)
		*ret_hint = "one of several queues is made with multi_queue";
	return r;
}

static int open_stream(const struct net_option *n, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_stream_config config = VMM_NET_STREAM_CONFIG_INIT;

	config.path = n->path;
	config.flags = n->kind == NET_LISTEN ? VMM_NET_STREAM_LISTEN : 0;
	return vmm_net_open_stream(&config, ret_netdev);
}

static int open_dgram(const struct net_option *n, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_dgram_config config = VMM_NET_DGRAM_CONFIG_INIT;

	config.path = n->path;
	config.local_path = n->local_path;
	return vmm_net_open_dgram(&config, ret_netdev);
}

int nets_open(const struct options *o, const struct net_option *n, struct vmm_netdev **ret_netdev,
	      const char **ret_hint)
{
	*ret_hint = NULL;
	switch (n->kind) {
	case NET_USER:
		return open_user(o, ret_netdev);
	case NET_STREAM:
	case NET_LISTEN:
		return open_stream(n, ret_netdev);
	case NET_DGRAM:
		return open_dgram(n, ret_netdev);
	default:
		return open_tap(n, ret_netdev, ret_hint);
	}
}
