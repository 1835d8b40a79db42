/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_guest.c - a guest's own driver against each device, over both transports.
 *
 * The guest checks what the devices answer; here is checked what arrives on the host.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libvmm/block.h>
#include <libvmm/console.h>
#include <libvmm/device.h>
#include <libvmm/net.h>
#include <libvmm/rng.h>

#include "harness.h"

enum { SECTOR = 512, SECTORS = 64 };

static struct guest guest;
static unsigned fds;

static void setup(void)
{
	fds = harness_count_fds();
}

static void teardown(void)
{
	ck_assert_uint_eq(harness_count_fds(), fds);
}

static void check(int r, const char *what)
{
	ck_assert_msg(r == 0, "%s: %d, %s", what, r, vmm_last_error());
}

/* ---- a disk in a file; sector 4 is the host's ---- */

static int disk_file(void)
{
	char path[] = "/tmp/libvmm-test-XXXXXX";
	char sector[SECTOR];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	memset(sector, 'h', sizeof(sector));
	ck_assert_int_eq(ftruncate(fd, SECTORS * SECTOR), 0);
	ck_assert_int_eq(pwrite(fd, sector, SECTOR, 4 * SECTOR), SECTOR);
	return fd;
}

static void add_disk(struct guest *g, struct vmm_blk *backend, uint32_t transport)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;

	config.backend = backend;
	config.serial = DISK_SERIAL;
	config.transport = transport;
	check(vmm_add_block(g->vm, &config, NULL), "vmm_add_block");
	g->params[PARAM_SECTORS] = SECTORS;
}

static void add_file_disk(struct guest *g, int fd, uint32_t transport)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk *backend;

	config.fd = fd;
	check(vmm_blk_open_file(&config, &backend), "vmm_blk_open_file");
	add_disk(g, backend, transport);
}

/* ---- a network whose other end sends back each frame ---- */

struct echo {
	struct vmm_net_port *port;
	unsigned char waiting[1600];	/* a frame for which the guest had no buffer */
	uint32_t length;
};

static int echo_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct echo *echo = state;

	echo->port = port;
	return 0;
}

static void echo_receivable(void *state, uint32_t queue)
{
	struct echo *echo = state;
	struct iovec iov = { echo->waiting, echo->length };
	struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1, .length = echo->length };

	if (echo->length == 0 || vmm_net_receive(echo->port, &frame) == -EAGAIN)
		return;
	echo->length = 0;
	vmm_net_receive_commit(echo->port, 0);
}

static int echo_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct echo *echo = state;
	uint32_t at = 0;

	if (echo->length > 0 || frame->length > sizeof(echo->waiting))
		return 0;	/* dropped */
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(echo->waiting + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += (uint32_t)frame->iov[i].iov_len;
	}
	echo->length = at;
	echo_receivable(echo, 0);
	return 0;
}

static void echo_detach(void *state)
{
	struct echo *echo = state;

	echo->port = NULL;
}

static const struct vmm_net_ops echo_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "echo",
	.attach = echo_attach,
	.transmit = echo_transmit,
	.receivable = echo_receivable,
	.detach = echo_detach,
	.destroy = free,
};

static void add_echo(struct guest *g, uint32_t transport)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;

	check(vmm_net_create(&echo_ops, calloc(1, sizeof(struct echo)), NULL, &config.backend),
	      "vmm_net_create");
	memcpy(config.mac, (uint8_t[]){ NET_MAC }, sizeof(config.mac));
	config.transport = transport;
	check(vmm_add_net(g->vm, &config, NULL), "vmm_add_net");
}

/* ---- a console in memory, and entropy ---- */

static struct vmm_ring *add_ring_console(struct guest *g, uint32_t transport)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_ring *ring;

	check(vmm_console_open_ring(4096, &config.backend, &ring), "vmm_console_open_ring");
	config.transport = transport;
	check(vmm_add_console(g->vm, &config, NULL), "vmm_add_console");
	return ring;
}

static void add_rng(struct guest *g, uint32_t transport)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;

	config.transport = transport;
	check(vmm_add_rng(g->vm, &config, NULL), "vmm_add_rng");
}

static void create(struct guest *g, uint32_t transport, uint32_t with)
{
	guest_create(g, NULL);
	g->params[PARAM_TRANSPORT] = transport;
	g->params[PARAM_DEVICES] = with;
}

/* ---- each device; _i is the transport ---- */

START_TEST(a_guest_writes_and_reads_its_disk)
{
	int fd = disk_file();
	unsigned char sector[SECTOR];

	create(&guest, (uint32_t)_i, WITH_BLOCK);
	add_file_disk(&guest, fd, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_done(&guest);

	/* What was flushed is in the file while the guest still runs; what it wrote past the end is not. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), SECTORS * SECTOR);
	ck_assert_int_eq(pread(fd, sector, SECTOR, 5 * SECTOR), SECTOR);
	for (int i = 0; i < SECTOR; i++)
		ck_assert_uint_eq(sector[i], (unsigned char)(i * 7 + 3));
	guest_destroy(&guest);
	close(fd);
}
END_TEST

START_TEST(frames_go_out_and_come_in)
{
	create(&guest, (uint32_t)_i, WITH_NET);
	add_echo(&guest, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	guest_destroy(&guest);
}
END_TEST

START_TEST(a_console_carries_bytes_both_ways)
{
	struct vmm_ring *ring;
	uint64_t position = 0;
	char text[64] = "";
	size_t n;

	create(&guest, (uint32_t)_i, WITH_CONSOLE);
	ring = add_ring_console(&guest, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_step(&guest, STEP_CONSOLE, 1);

	n = vmm_ring_read(ring, &position, text, sizeof(text) - 1);
	ck_assert_uint_eq(n, strlen(CONSOLE_OUT));
	ck_assert_str_eq(text, CONSOLE_OUT);
	ck_assert_uint_eq(vmm_ring_write(ring, CONSOLE_IN, strlen(CONSOLE_IN)), strlen(CONSOLE_IN));
	guest_wait_done(&guest);
	guest_destroy(&guest);

	/* The reader's side outlives the guest. */
	position = 0;
	ck_assert_uint_eq(vmm_ring_read(ring, &position, text, sizeof(text)), strlen(CONSOLE_OUT));
	vmm_ring_close(ring);
}
END_TEST

START_TEST(a_guest_is_given_entropy)
{
	create(&guest, (uint32_t)_i, WITH_RNG);
	add_rng(&guest, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	guest_destroy(&guest);
}
END_TEST

START_TEST(all_devices_work_beside_each_other)
{
	const uint32_t transport = (uint32_t)_i, other = 3 - transport;
	int fd = disk_file();

	/* A device of the other transport in between is in nobody's way. */
	create(&guest, transport, WITH_BLOCK | WITH_NET | WITH_RNG);
	guest.params[PARAM_ROUNDS] = 3;
	add_rng(&guest, other);
	add_file_disk(&guest, fd, transport);
	add_echo(&guest, transport);
	add_rng(&guest, transport);
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	ck_assert_uint_eq(guest.steps[STEP_ROUND], 3);
	guest_destroy(&guest);
	close(fd);
}
END_TEST

/* ---- reset with a request in flight ---- */

/* A disk that keeps its first request until it is drained, and answers the others at once. */
struct holder {
	struct vmm_blk_request *held;
	unsigned submitted;	/* atomic: looked at from outside of the loop */
	unsigned drained;	/* requests that drain() answered */
};

static struct holder holder;

static void holder_answer(struct vmm_blk_request *req)
{
	if (req->op == VMM_BLK_READ) {
		for (uint32_t i = 0; i < req->nr_iov; i++)
			memset(req->iov[i].iov_base, 'h', req->iov[i].iov_len);
	}
	vmm_blk_complete(req, 0);
}

static void holder_submit(void *state, struct vmm_blk_request *req)
{
	if (__atomic_fetch_add(&holder.submitted, 1, __ATOMIC_RELAXED) == 0)
		holder.held = req;
	else
		holder_answer(req);
}

static void holder_drain(void *state)
{
	struct vmm_blk_request *req = holder.held;

	if (!req)
		return;
	holder.held = NULL;
	holder.drained++;
	holder_answer(req);
}

static const struct vmm_blk_ops holder_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "holder",
	.submit = holder_submit,
	.drain = holder_drain,
};

START_TEST(a_reset_waits_for_what_is_in_flight)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_blk *backend;

	holder = (struct holder){ 0 };
	info.capacity = SECTORS * SECTOR;
	check(vmm_blk_create(&holder_ops, NULL, &info, &backend), "vmm_blk_create");
	create(&guest, (uint32_t)_i, WITH_RESET);
	add_disk(&guest, backend, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	guest_destroy(&guest);
	ck_assert_uint_eq(holder.drained, 1);
	ck_assert_uint_eq(holder.submitted, 2);
}
END_TEST

START_TEST(a_guest_is_destroyed_with_a_request_in_flight)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_blk *backend;

	/* The guest waits for an answer that never comes by itself. */
	holder = (struct holder){ 0 };
	info.capacity = SECTORS * SECTOR;
	check(vmm_blk_create(&holder_ops, NULL, &info, &backend), "vmm_blk_create");
	create(&guest, (uint32_t)_i, WITH_BLOCK);
	add_disk(&guest, backend, (uint32_t)_i);
	guest_start(&guest, "devices");
	guest_wait_step(&guest, STEP_UP, 1);
	for (int i = 0; i < 1000 && __atomic_load_n(&holder.submitted, __ATOMIC_RELAXED) == 0; i++)
		usleep(1000);
	guest_destroy(&guest);
	ck_assert_uint_eq(holder.submitted, 1);
	ck_assert_uint_eq(holder.drained, 1);
}
END_TEST

/* ---- a hostile guest beside a good one ---- */

START_TEST(a_hostile_guest_hurts_only_itself)
{
	const uint32_t transport = _i % 2 ? VMM_TRANSPORT_PCI : VMM_TRANSPORT_MMIO;
	struct vmm_loop_config loop_config = VMM_LOOP_CONFIG_INIT;
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_event event = VMM_EVENT_INIT;
	struct vmm_ring *ring;
	struct guest bad;
	int fd = disk_file(), bad_fd = disk_file();

	/* Both on one loop: what the one does to it, the other would feel. */
	loop_config.flags = VMM_LOOP_THREAD;
	check(vmm_loop_create(&loop_config, &config.loop), "vmm_loop_create");

	guest_create(&bad, &config);
	bad.params[PARAM_TRANSPORT] = transport;
	bad.params[PARAM_ROUNDS] = 150;
	bad.params[PARAM_SEED] = 1000u + (uint32_t)_i;
	add_file_disk(&bad, bad_fd, transport);
	add_echo(&bad, transport);
	ring = add_ring_console(&bad, transport);
	add_rng(&bad, transport);

	guest_create(&guest, &config);
	guest.params[PARAM_TRANSPORT] = transport;
	guest.params[PARAM_DEVICES] = WITH_BLOCK | WITH_NET | WITH_RNG;
	guest.params[PARAM_ROUNDS] = 20;
	add_file_disk(&guest, fd, transport);
	add_echo(&guest, transport);
	add_rng(&guest, transport);

	guest_start(&bad, "hostile");
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	ck_assert_uint_eq(guest_take_events(&guest, VMM_EVENT_DEVICE_BROKEN, &event), 0);

	/* It may shoot itself with an interrupt of its own choice; that is all it may do. */
	(void)guest_wait_any_end(&bad);
	ck_assert_msg(bad.failed == 0, "line %u found 0x%x", bad.failed, bad.value);
	ck_assert_uint_gt(bad.steps[STEP_ROUND], 0);
	ck_assert_uint_gt(guest_take_events(&bad, VMM_EVENT_DEVICE_BROKEN, &event), 0);
	ck_assert_str_ne(event.device, "");
	ck_assert_str_ne(event.words, "");

	guest_destroy(&bad);
	guest_destroy(&guest);
	vmm_ring_close(ring);
	ck_assert_int_eq(vmm_loop_destroy(config.loop), 0);
	close(fd);
	close(bad_fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio_guest");
	TCase *devices = tcase_create("devices"), *hostile = tcase_create("hostile");
	SRunner *runner = srunner_create(suite);
	const int first = VMM_TRANSPORT_PCI, end = VMM_TRANSPORT_MMIO + 1;
	int failed = harness_skip();

	if (failed)
		return failed;

	tcase_set_timeout(devices, 40);
	tcase_add_checked_fixture(devices, setup, teardown);
	tcase_add_loop_test(devices, a_guest_writes_and_reads_its_disk, first, end);
	tcase_add_loop_test(devices, frames_go_out_and_come_in, first, end);
	tcase_add_loop_test(devices, a_console_carries_bytes_both_ways, first, end);
	tcase_add_loop_test(devices, a_guest_is_given_entropy, first, end);
	tcase_add_loop_test(devices, all_devices_work_beside_each_other, first, end);
	tcase_add_loop_test(devices, a_reset_waits_for_what_is_in_flight, first, end);
	tcase_add_loop_test(devices, a_guest_is_destroyed_with_a_request_in_flight, first, end);
	suite_add_tcase(suite, devices);

	tcase_set_timeout(hostile, 80);
	tcase_add_checked_fixture(hostile, setup, teardown);
	tcase_add_loop_test(hostile, a_hostile_guest_hurts_only_itself, 0, 4);
	suite_add_tcase(suite, hostile);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
