/* SPDX-License-Identifier: MIT */
/*
 * user_gate.c - which of a guest's frames the user-mode stack gets to see.
 *
 * The stack trusts its guest with memory and descriptors of this process: it
 * keeps every fragment for 30 seconds and opens a socket for every address the
 * guest thinks of. So what it offers nothing for stays out, and what costs is
 * counted. A guest at its limit loses frames, as on a wire; it is the only loser.
 */
#include <endian.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "backends/net/net_priv.h"
#include "backends/net/user_priv.h"

/*
 * IPv4 fragments (RFC 791, 3.2). The stack keeps each for up to 30 s, in a
 * buffer of about 2 KiB: at most 8192 of them are there at once.
 */
#define FRAGMENTS_BURST		2048u
#define FRAGMENTS_PER_SECOND	200u
#define NS_PER_FRAGMENT		(1000000000u / FRAGMENTS_PER_SECOND)

#define FRAGMENT_LIFE_NS	31000000000u	/* the stack's 30 s, and its clock's tick */

#define IP_HEADER	20u
#define TCP_FLAGS	13u		/* offset in its header (RFC 9293, 3.1) */
#define TCP_SYN		0x02
#define TCP_ACK		0x10
#define UDP_DHCP_SERVER	67
#define UDP_TFTP	69

void vmm__user_gate_init(struct user_gate *gate, struct in_addr host, uint64_t now_ns)
{
	*gate = (struct user_gate){
		.host = host,
		.fragments = FRAGMENTS_BURST,
		.refilled_ns = now_ns,
	};
}

static uint16_t get16(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool fragment_allowed(struct user_gate *gate, uint64_t now_ns)
{
	uint64_t more = (now_ns - gate->refilled_ns) / NS_PER_FRAGMENT;

	if (more >= FRAGMENTS_BURST - gate->fragments) {
		gate->fragments = FRAGMENTS_BURST;
		gate->refilled_ns = now_ns;
	} else {
		gate->fragments += (uint32_t)more;
		gate->refilled_ns += more * NS_PER_FRAGMENT;
	}

	if (gate->fragments == 0)
		return false;
	gate->fragments--;
	gate->fragment_ns = now_ns;
	return true;
}

/* At the limit, only what belongs to a connection there is, or needs no socket. */
static bool opens_nothing(const unsigned char *ip, size_t header, size_t length)
{
	const unsigned char *payload = ip + header;
	size_t left = length - header;

	switch (ip[9]) {
	case IPPROTO_TCP:
		return left > TCP_FLAGS && (payload[TCP_FLAGS] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	case IPPROTO_UDP:
		return left >= 4 && get16(payload + 2) == UDP_DHCP_SERVER;
	default:
		return false;
	}
}

static bool ip_admits(struct user_gate *gate, const unsigned char *ip, size_t length,
		      uint64_t now_ns)
{
	bool full = gate->nr_sockets >= USER_SOCKETS_MAX;
	size_t header;

	if (length < IP_HEADER)
		return false;
	header = (size_t)(ip[0] & 0xf) * 4;
	if (ip[0] >> 4 != 4 || header < IP_HEADER || header > length)
		return false;
	if (ip[9] != IPPROTO_TCP && ip[9] != IPPROTO_UDP && ip[9] != IPPROTO_ICMP)
		return false;

	/*
	 * RFC 1122, 3.2.1.3: "this host" and loopback are on no wire. The stack would pass them
	 * to connect(), and so lead the guest to the host's own services, NO_HOST or not.
	 */
	if (ip[16] == 0 || ip[16] == 127)
		return false;

	/* More to come, or not the first: what it opens is seen only when it is whole. */
	if (get16(ip + 6) & 0x3fff)
		return !full && fragment_allowed(gate, now_ns);

	/* The stack's TFTP server has no files to offer. */
	if (ip[9] == IPPROTO_UDP && length - header >= 4 && get16(ip + header + 2) == UDP_TFTP &&
	    memcmp(ip + 16, &gate->host, 4) == 0)
		return false;

	return !full || opens_nothing(ip, header, length);
}

bool vmm__user_gate_admits(struct user_gate *gate, const unsigned char *frame, size_t length,
			   uint64_t now_ns)
{
	if (length < NET_ETH_HEADER)
		return false;

	switch (get16(frame + 12)) {
	case ETHERTYPE_ARP:
		return true;
	case ETHERTYPE_IP:
		return ip_admits(gate, frame + NET_ETH_HEADER, length - NET_ETH_HEADER, now_ns);
	default:
		return false;
	}
}

bool vmm__user_gate_timed(const struct user_gate *gate, uint64_t now_ns)
{
	return gate->nr_sockets > 0 ||
	       (gate->fragment_ns && now_ns - gate->fragment_ns < FRAGMENT_LIFE_NS);
}
