/* SPDX-License-Identifier: MIT */
/*
 * net.c - what stock guests do with their network: offloads, several queues, VLANs, a
 * link that goes and comes; through a tap of the host's and through a switch.
 */
#include <arpa/inet.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/net.h>

#include "guest.h"
#include "harness.h"
#include "server.h"

#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif

#define END	255
#define MTU	1514		/* the longest frame that is one packet */

/* ---- what was negotiated ---- */

/* Of every interface. */
static const uint8_t always[] = {
	VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CTRL_VQ,
	VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_MAC_ADDR,
	VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
	VIRTIO_F_VERSION_1, VIRTIO_F_RING_RESET, END,
};
static const uint8_t offloads[] = {
	VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,
	VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN, END,
};
static const uint8_t uso[] = {
	VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_USO, END,
};
static const uint8_t mq[] = { VIRTIO_NET_F_MQ, END };

static void add_bits(char want[129], const uint8_t *bits)
{
	for (; *bits != END; bits++)
		want[*bits] = '1';
}

static void check_features(struct guest *g, const char *want)
{
	const char *line, *features;

	do {
		line = guest_expect(g, "virtio ", 60);
	} while (!strstr(line, "driver=virtio_net "));
	features = strstr(line, "features=");
	CHECK(features);
	features += strlen("features=");
	if (strncmp(features, want, strlen(features)) != 0)
		fail("%s negotiates %s, not %s", g->name, features, want);
}

static struct vmm_net_stats stats_of(struct guest *g, uint32_t pair)
{
	struct vmm_net_stats stats = VMM_NET_STATS_INIT;

	must(vmm_net_stats(g->nic, pair, &stats), "stats");
	return stats;
}

static void note_stats(struct guest *g)
{
	struct vmm_net_stats s = stats_of(g, VMM_NET_ALL_PAIRS);

	note("%s: %llu frames of %llu bytes to it, %llu of %llu from it, %llu without buffer",
	     g->name, (unsigned long long)s.rx_frames,
	     (unsigned long long)(s.rx_frames ? s.rx_bytes / s.rx_frames : 0),
	     (unsigned long long)s.tx_frames,
	     (unsigned long long)(s.tx_frames ? s.tx_bytes / s.tx_frames : 0),
	     (unsigned long long)s.rx_no_buffer);
	CHECK(s.tx_bad_header == 0 && s.tx_bad_length == 0 && s.rx_offload == 0);
}

/* ---- a tap ---- */

static void tap_up(const char *name)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ifr.ifr_addr;

	strcpy(ifr.ifr_name, name);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, "10.9.0.1", &in->sin_addr);
	CHECK(ioctl(s, SIOCSIFADDR, &ifr) == 0);
	inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
	CHECK(ioctl(s, SIOCSIFNETMASK, &ifr) == 0);
	ifr.ifr_flags = IFF_UP;
	CHECK(ioctl(s, SIOCSIFFLAGS, &ifr) == 0);
	close(s);
}

/* Taps do since Linux 6.2. */
static bool host_knows_uso(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	CHECK(uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2);
	return major > 6 || (major == 6 && minor >= 2);
}

/* Large frames both ways, or none where the interface is plain. */
static void check_frames(struct guest *g, bool large)
{
	struct vmm_net_stats s = stats_of(g, VMM_NET_ALL_PAIRS);

	note_stats(g);
	if (large)
		CHECK(s.rx_bytes / s.rx_frames > 2 * MTU && s.tx_bytes / s.tx_frames > MTU);
	else
		CHECK(s.rx_bytes / s.rx_frames <= MTU && s.tx_bytes / s.tx_frames <= MTU);
}

static void tap(const void *arg)
{
	bool plain = arg != NULL;
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;
	struct guest_spec spec = { .kernel = plain ? "6.1" : "6.12", .cpus = 2 };
	struct server *server;
	struct guest g;
	char words[256], want[129];

	config.name = "vmmtap0";
	config.queue_pairs = 2;
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip("no /dev/net/tun");
	if (vmm_net_open_tap(&config, &spec.netdev) < 0)
		skip("%s", vmm_last_error());
	spec.net_flags = plain ? VMM_NET_PLAIN : 0;
	server = server_start();
	snprintf(words, sizeof(words),
		 "test.do=boot,queues,net test.ip=10.9.0.2/24 test.net=10.9.0.1:%u test.netmb=4",
		 server_port(server));
	memset(want, '0', 128);
	want[128] = '\0';
	add_bits(want, always);
	add_bits(want, mq);
	if (!plain)
		add_bits(want, offloads);

	guest_open(&g, &spec);
	/* Those of the tap's queues were there before, and go with the guest. */
	g.fds -= config.queue_pairs;
	tap_up("vmmtap0");
	guest_load(&g, words);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	if (!plain && host_knows_uso())
		add_bits(want, uso);
	check_features(&g, want);
	guest_expect(&g, "queues rx=2 tx=2", 20);
	guest_expect(&g, "ok net", 60);
	check_frames(&g, !plain);
	/* Each of its two processors sends on a pair of its own. */
	note("frames from it on each pair: %llu and %llu",
	     (unsigned long long)stats_of(&g, 0).tx_frames,
	     (unsigned long long)stats_of(&g, 1).tx_frames);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
	server_stop(server);
}

/* ---- a switch ---- */

static struct vmm_netdev *open_port(struct vmm_switch *sw)
{
	struct vmm_net_switch_config config = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.sw = sw;
	config.queue_pairs = 2;
	must(vmm_net_open_switch(&config, &netdev), "port of a switch");
	return netdev;
}

static void link_goes_and_comes(struct guest *g)
{
	guest_expect(g, "ready link", 20);
	must(vmm_net_set_link(g->nic, 0), "link down");
	guest_expect(g, "link 0", 20);
	must(vmm_net_set_link(g->nic, 1), "link up");
	guest_expect(g, "link 1", 20);
	guest_expect(g, "ok link", 10);
}

/* The guest sends an ARP of its own accord. */
static void announces(struct guest *g)
{
	uint64_t before = stats_of(g, VMM_NET_ALL_PAIRS).tx_frames;
	uint64_t deadline = now_ns() + 20ull * harness_slow() * 1000000000u;

	must(vmm_net_announce(g->nic), "announce");
	while (stats_of(g, VMM_NET_ALL_PAIRS).tx_frames == before) {
		const struct timespec wait = { .tv_nsec = 20000000 };

		CHECK(now_ns() < deadline);
		nanosleep(&wait, NULL);
	}
}

/* Two guests, each on a loop of its own. */
static void joined(const void *arg)
{
	struct vmm_switch *sw;
	struct guest_spec one = { .name = "one", .kernel = "6.12" };
	struct guest_spec two = { .name = "two", .kernel = "6.12", .cpus = 2 };
	struct vmm_net_stats s;
	struct guest a, b;
	char want[129];

	must(vmm_switch_create(NULL, &sw), "switch");
	one.netdev = open_port(sw);
	two.netdev = open_port(sw);
	one.words = "test.do=boot,vlan,serve,idle test.ip=10.1.0.1/24 test.vlan=10.2.0.1/24 "
		    "test.netmb=16";
	two.words = "test.do=boot,queues,fetch,vlan,ping,link,echo test.ip=10.1.0.2/24 "
		    "test.vlan=10.2.0.2/24 test.net=10.1.0.1:80 test.ping=10.2.0.1";
	memset(want, '0', 128);
	want[128] = '\0';
	add_bits(want, always);
	add_bits(want, offloads);
	add_bits(want, uso);
	add_bits(want, mq);

	guest_open(&a, &one);
	guest_start(&a);
	guest_expect(&a, "ready serve", 90);
	guest_open(&b, &two);
	guest_start(&b);
	guest_expect(&b, "boot ", 60);
	check_features(&b, want);
	guest_expect(&b, "queues rx=2 tx=2", 20);
	note("fetched: %s", guest_expect(&b, "ok fetch", 60));
	/* Large frames went through as they were. */
	note_stats(&a);
	note_stats(&b);
	s = stats_of(&b, VMM_NET_ALL_PAIRS);
	CHECK(s.rx_bytes / s.rx_frames > 2 * MTU);
	guest_expect(&b, "ok vlan", 20);
	guest_expect(&b, "ok ping", 60);
	link_goes_and_comes(&b);
	guest_expect(&b, "ready echo", 10);
	announces(&b);
	guest_type(&b, "end\n");
	guest_expect(&b, "done", 10);
	guest_ends(&b, VMM_STOP_POWEROFF, 20);
	guest_close(&b);
	must(vmm_stop(a.vm), "stop");
	guest_ends(&a, VMM_STOP_REQUESTED, 10);
	guest_close(&a);
	must(vmm_switch_destroy(sw), "destroy the switch");
}

void net_add(void)
{
	static const bool plain = true;

	harness_add(&(struct scenario){ "net/tap", tap, NULL, 150, true });
	harness_add(&(struct scenario){ "net/tap-plain", tap, &plain, 150, false });
	harness_add(&(struct scenario){ "net/switch", joined, NULL, 240, true });
}
