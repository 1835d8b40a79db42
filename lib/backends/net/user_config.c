/* SPDX-License-Identifier: MIT */
/*
 * user_config.c - the user-mode network's config, checked and made numbers.
 *
 * Everything that can be wrong with it is found here, before there is a stack;
 * what is left for later is whether the host's ports are free.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/user_priv.h"
#include "core/error_priv.h"

#define NETWORK_DEFAULT	"10.0.2.0/24"

/* The stack gives out .15 to .30 by DHCP, which must lie inside the network. */
#define PREFIX_MIN	8u
#define PREFIX_MAX	27u

enum { HOST = 2, DNS = 3, DHCP = 15 };

static int fail_network(const char *text, const char *why)
{
	return vmm__fail(-EINVAL, "network \"%s\": %s", text, why);
}

/* "10.0.2.0/24" */
static int parse_network(const char *text, uint32_t *ret_network, uint32_t *ret_mask)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];
	struct in_addr in;
	uint32_t prefix = 0, network, mask;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return fail_network(text, "expected the form " NETWORK_DEFAULT);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1)
		return fail_network(text, "expected an IPv4 address before the slash");

	for (const char *p = slash + 1; *p; p++) {
		if (!isdigit((unsigned char)*p) || p - slash > 2)
			return fail_network(text, "expected a prefix length after the slash");
		prefix = prefix * 10 + (uint32_t)(*p - '0');
	}
	if (prefix < PREFIX_MIN || prefix > PREFIX_MAX)
		return fail_network(text, "the prefix length must be 8 .. 27");

	network = ntohl(in.s_addr);
	mask = UINT32_MAX << (32 - prefix);
	if (network & ~mask)
		return fail_network(text, "bits are set behind the prefix");
	if (network >> 24 == 0 || network >> 24 == 127 || network >> 24 >= 224)
		return fail_network(text, "no guest can live there");

	*ret_network = network;
	*ret_mask = mask;
	return 0;
}

static int set_network(struct user_config *c, const char *text)
{
	uint32_t network = 0, mask = 0;
	int r = parse_network(text ? text : NETWORK_DEFAULT, &network, &mask);

	if (r < 0)
		return r;
	c->network.s_addr = htonl(network);
	c->mask.s_addr = htonl(mask);
	c->host.s_addr = htonl(network + HOST);
	c->dns.s_addr = htonl(network + DNS);
	c->dhcp.s_addr = htonl(network + DHCP);
	return 0;
}

/* RFC 1123, 2.1: letters, digits, hyphens and dots. */
static int set_hostname(struct user_config *c, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length > USER_HOSTNAME_MAX)
		return vmm__fail(-EINVAL, "hostname of %zu bytes: at most %u", length,
				 USER_HOSTNAME_MAX);
	for (size_t i = 0; i < length; i++) {
		if (!isascii(name[i]) || !(isalnum((unsigned char)name[i]) || name[i] == '-' ||
					   name[i] == '.'))
			return vmm__fail(-EINVAL, "hostname \"%s\": letters, digits, '-' and '.'",
					 name);
	}
	if (length > 0)
		memcpy(c->hostname, name, length + 1);
	return 0;
}

static bool in_network(const struct user_config *c, struct in_addr address)
{
	uint32_t last = ~ntohl(c->mask.s_addr);
	uint32_t host = ntohl(address.s_addr) & last;

	return (address.s_addr & c->mask.s_addr) == c->network.s_addr && host != 0 &&
	       host != last && address.s_addr != c->host.s_addr && address.s_addr != c->dns.s_addr;
}

static int set_forward(const struct user_config *c, struct user_forward *to,
		       const struct vmm_net_forward *from)
{
	const char *host = from->host_address ? from->host_address : "127.0.0.1";

	if (from->udp > 1)
		return vmm__fail(-EINVAL, "forward: udp is %u, neither 0 nor 1", from->udp);
	if (from->host_port == 0 || from->guest_port == 0)
		return vmm__fail(-EINVAL, "forward: both ports must be 1 .. 65535");
	if (inet_pton(AF_INET, host, &to->host) != 1)
		return vmm__fail(-EINVAL, "forward: \"%s\" is not an IPv4 address", host);

	to->guest = c->dhcp;
	if (from->guest_address && (inet_pton(AF_INET, from->guest_address, &to->guest) != 1 ||
				    !in_network(c, to->guest)))
		return vmm__fail(-EINVAL, "forward: \"%s\" is not a guest's address in the network",
				 from->guest_address);

	if (from->udp && c->restrict_guest)
		return vmm__fail(-EINVAL, "forward: a restricted network carries no answers by UDP");

	to->udp = from->udp;
	to->host_port = from->host_port;
	to->guest_port = from->guest_port;
	return 0;
}

static int set_forwards(struct user_config *c, const struct vmm_net_user_config *from)
{
	int r = 0;

	if (from->nr_forwards > USER_FORWARDS_MAX)
		return vmm__fail(-EINVAL, "%u forwards: at most %u", from->nr_forwards,
				 USER_FORWARDS_MAX);
	if (from->nr_forwards == 0)
		return 0;
	if (!from->forwards)
		return vmm__fail(-EINVAL, "%u forwards, but no list of them", from->nr_forwards);

	c->forwards = calloc(from->nr_forwards, sizeof(*c->forwards));
	if (!c->forwards)
		return vmm__fail(-ENOMEM, "no memory for %u forwards", from->nr_forwards);
	while (r == 0 && c->nr_forwards < from->nr_forwards) {
		r = set_forward(c, &c->forwards[c->nr_forwards], &from->forwards[c->nr_forwards]);
		c->nr_forwards++;
	}
	return r;
}

int vmm__user_config_init(struct user_config *config, const struct vmm_net_user_config *from)
{
	const uint32_t flags = VMM_NET_USER_RESTRICT | VMM_NET_USER_NO_HOST;
	int r;

	*config = (struct user_config){ 0 };
	if (from->flags & ~flags)
		return vmm__fail(-E2BIG, "user network: flags 0x%x are newer than this library",
				 from->flags & ~flags);
	config->restrict_guest = from->flags & VMM_NET_USER_RESTRICT;
	config->no_host = from->flags & VMM_NET_USER_NO_HOST;

	r = set_network(config, from->network);
	if (r == 0)
		r = set_hostname(config, from->hostname);
	if (r == 0)
		r = set_forwards(config, from);
	if (r < 0)
		vmm__user_config_finish(config);
	return r;
}

void vmm__user_config_finish(struct user_config *config)
{
	free(config->forwards);
	*config = (struct user_config){ 0 };
}
