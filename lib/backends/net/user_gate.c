/* SPDX-License-Identifier: MIT */
/*
 * user_gate.c - which of a guest's frames the user-mode stack gets to see.
 *
 * The stack trusts its guest with memory and descriptors of this process: it
 * opens a socket for every address the guest thinks of. So what it offers nothing
 * for stays out, and what costs is counted. A guest at its limit loses frames, as
 * on a wire; it is the only loser.
 *
 * Fragments stay out altogether. Putting them together is where user-mode stacks
 * have been broken time and again: libslirp 4.7 as Debian compiles it writes over
 * its own heap when the last fragment of a datagram comes first. TCP does without,
 * and so does UDP up to the MTU.
 */
#include <endian.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "backends/net/net_priv.h"
#include "backends/net/user_priv.h"

#define IP_HEADER	20u
#define IP_DF		0x4000u		/* of flags and fragment offset (RFC 791, 3.1) */
#define TCP_FLAGS	13u		/* offset in its header (RFC 9293, 3.1) */
#define TCP_SYN		0x02
#define TCP_ACK		0x10
#define UDP_DHCP_SERVER	67
#define UDP_TFTP	69

void vmm__user_gate_init(struct user_gate *gate, struct in_addr host)
{
	*gate = (struct user_gate){ .host = host };
}

static uint16_t get16(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
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

static bool ip_admits(const struct user_gate *gate, const unsigned char *ip, size_t length)
{
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

	/* More to come, or not the first; or the bit that has to be zero. */
	if (get16(ip + 6) & ~IP_DF)
		return false;

	/* The stack's TFTP server has no files to offer. */
	if (ip[9] == IPPROTO_UDP && length - header >= 4 && get16(ip + header + 2) == UDP_TFTP &&
	    memcmp(ip + 16, &gate->host, 4) == 0)
		return false;

	return gate->nr_sockets < USER_SOCKETS_MAX || opens_nothing(ip, header, length);
}

bool vmm__user_gate_admits(const struct user_gate *gate, const unsigned char *frame, size_t length)
{
	if (length < NET_ETH_HEADER)
		return false;

	switch (get16(frame + 12)) {
	case ETHERTYPE_ARP:
		return true;
	case ETHERTYPE_IP:
		return ip_admits(gate, frame + NET_ETH_HEADER, length - NET_ETH_HEADER);
	default:
		return false;
	}
}
