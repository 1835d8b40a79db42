/* SPDX-License-Identifier: MIT */
/*
 * test_net.c - interfaces of real guests whose loop runs in its own thread, while
 * the host already knocks at their ports.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include <libvmm/net.h>
#include "bare.h"

static struct holdings before;
static struct vmm *vm;
static unsigned port;
static bool stop;

/* A whole machine that is never started: what is tested is its loop's. */
static struct vmm *guest(void)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *made;

	config.ram_bytes = 16 << 20;
	ck_assert_msg(vmm_create(&config, &made) == 0, "%s", vmm_last_error());
	return made;
}

/* Something on 127.0.0.1 that connects again and again. */
static void *knock(void *data)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)!connect(fd, (struct sockaddr *)&in, sizeof(in));
		usleep(100);
		close(fd);
	}
	return data;
}

/* A listening socket on a free port, so that it stays in use until it is closed. */
static int take_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	port = ntohs(in.sin_port);
	return fd;
}

static struct vmm_netdev *open_user(unsigned host_port)
{
	struct vmm_net_forward forward = { .host_port = (uint16_t)host_port, .guest_port = 22 };
	struct vmm_net_user_config config = VMM_NET_USER_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.forwards = &forward;
	config.nr_forwards = 1;
	ck_assert_int_eq(vmm_net_open_user(&config, &netdev), 0);
	return netdev;
}

START_TEST(a_port_in_use_leaves_the_guest_as_it_was)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	int fd = take_port();

	config.backend = open_user(port);
	ck_assert_int_eq(vmm_add_net(vm, &config, NULL), -EADDRINUSE);
	close(fd);
	ck_assert_int_eq(vmm_add_net(vm, &config, NULL), 0);
	ck_assert_int_eq(vmm_add_net(vm, &config, NULL), -EBUSY);
}
END_TEST

START_TEST(interfaces_come_and_go_under_traffic)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	pthread_t thread;

	close(take_port());
	ck_assert_int_eq(pthread_create(&thread, NULL, knock, NULL), 0);
	for (int i = 0; i < 20; i++) {
		/* First one that the device's queue size makes fail, after its backend was attached. */
		config.backend = open_user(port);
		config.queue_size = 3;
		ck_assert_int_eq(vmm_add_net(vm, &config, NULL), -EINVAL);
		config.queue_size = 0;
		ck_assert_int_eq(vmm_add_net(vm, &config, NULL), 0);
		usleep(2000);
		vmm_destroy(vm);
		vm = guest();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

static void setup(void)
{
	before = holdings_now();
	vm = guest();
}

static void teardown(void)
{
	vmm_destroy(vm);
	assert_nothing_left(before);
}

int main(void)
{
	Suite *suite = suite_create("net");
	TCase *tcase = tcase_create("net");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_port_in_use_leaves_the_guest_as_it_was);
	tcase_add_test(tcase, interfaces_come_and_go_under_traffic);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
