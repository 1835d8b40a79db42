/* SPDX-License-Identifier: MIT */
/*
 * bench_disk.c - a whole virtio disk against the same I/O done directly, in the same run.
 *
 * A driver in this process fills a ring by hand and rings the device's eventfd; device, queue,
 * backend and interrupts are the library's. The other side keeps as many in flight in an
 * io_uring of its own, on the same file; for a disk in memory it copies. Random reads and writes of
 * 4 KiB at three depths, and 1 MiB in a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libvmm/block.h>
#include <libvmm/vmm.h>

#include "bench.h"
#include "core/loop_priv.h"
#include "core/memory_priv.h"
#include "devices/device_priv.h"
#include "transport/transport_priv.h"

enum {
	ENTRIES	= 512,
	AVAIL	= 0x4000,
	USED	= 0x8000,
	HEADERS	= 0x10000,
	DATA	= 0x100000,
	DEPTH_MAX = 128,
	TURN	= 1024,		/* requests of 4 KiB in a turn */
	PAIRS	= 41,
};

#define DISK_BYTES	(64ull << 20)
#define SMALL		4096u
#define LARGE		(1u << 20)
#define RAM_BYTES	(DATA + 2ull * DEPTH_MAX * SMALL + 32ull * LARGE)

static struct {
	struct vmm_loop *loop;
	unsigned char *ram;
	struct vmm_mem mem;
	struct loop_cancel cancel;
	struct device_host host;
	struct vmm_device *dev;
	uint64_t interrupts;
} machine;

static int file_fd;
static uint64_t seed = 88172645463325252ull;

/* ---- the machine: a transport that counts ---- */

static int plug(struct vmm_device *dev)
{
	return 0;
}

static void nothing(struct vmm_device *dev)
{
}

static void queue_interrupt(struct vmm_device *dev, uint32_t queue)
{
	machine.interrupts++;
}

#define COUNTING {							\
	.name = "counting", .plug = plug, .unplug = nothing, .reset = nothing,	\
	.sync_doorbells = nothing, .queue_interrupt = queue_interrupt,	\
	.config_interrupt = nothing,					\
}

const struct transport_ops vmm__transport_mmio = COUNTING;
const struct transport_ops vmm__transport_pci = COUNTING;

struct vmm_loop *vmm_loop_of(struct vmm *vm)
{
	return machine.loop;
}

int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
		   struct vmm_device **ret_dev)
{
	int r = vmm__device_create(&machine.host, config, &machine.dev);

	if (r == 0 && ret_dev)
		*ret_dev = machine.dev;
	return r;
}

static void broken(void *data, const char *device, const char *why)
{
	bench_die(why);
}

/* ---- system calls, counted where the library makes them ---- */

static uint64_t nr_calls;

ssize_t read(int fd, void *bytes, size_t len)
{
	nr_calls++;
	return syscall(SYS_read, fd, bytes, len);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	nr_calls++;
	return syscall(SYS_write, fd, bytes, len);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	nr_calls++;
	return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 8);
}

int io_uring_submit(struct io_uring *ring)
{
	nr_calls++;
	return io_uring_submit_and_wait(ring, 0);
}

/* ---- the work: the same for both sides ---- */

static struct {
	bool memory;
	bool device;		/* the I/O goes there, past the page cache */
	uint32_t op;		/* VIRTIO_BLK_T_IN or _OUT */
	uint32_t bytes;		/* of a request */
	uint32_t depth;
	uint32_t turn;		/* requests in one */
	int fd;
	unsigned char *disk;	/* of the other side, when it is in memory */
} work;

static uint64_t next_offset(void)
{
	static uint64_t at;

	if (work.bytes == LARGE) {
		at = (at + LARGE) % DISK_BYTES;
		return at;
	}
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % (DISK_BYTES / SMALL) * SMALL;
}

static uint32_t data_at(uint32_t slot)
{
	return DATA + slot * work.bytes;
}

/* ---- by the device ---- */

static uint16_t seen, offered;

static struct vring_avail *avail(void)
{
	return (void *)(machine.ram + AVAIL);
}

static struct vring_used *used(void)
{
	return (void *)(machine.ram + USED);
}

static void offer(uint32_t slot)
{
	struct vring_desc *d = (struct vring_desc *)(void *)machine.ram + 3 * slot;
	uint32_t header = HEADERS + slot * 64;
	struct virtio_blk_outhdr h = { work.op, 0, next_offset() / 512 };

	memcpy(machine.ram + header, &h, sizeof(h));
	d[0] = (struct vring_desc){ header, 16, VRING_DESC_F_NEXT, (uint16_t)(3 * slot + 1) };
	d[1] = (struct vring_desc){ data_at(slot), work.bytes,
				    VRING_DESC_F_NEXT |
					(work.op == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0),
				    (uint16_t)(3 * slot + 2) };
	d[2] = (struct vring_desc){ header + 32, 1, VRING_DESC_F_WRITE, 0 };
	avail()->ring[offered % ENTRIES] = (uint16_t)(3 * slot);
	__atomic_store_n(&avail()->idx, ++offered, __ATOMIC_RELEASE);
}

static uint64_t nr_kicks;

static void kick(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&used()->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY)
		return;
	nr_kicks++;
	vmm__device_notify(machine.dev, 0);
}

static uint64_t run_device(void *data)
{
	uint64_t start = bench_now();
	uint32_t started = 0, done = 0;

	while (started < work.depth)
		offer(started++);
	kick();
	while (done < work.turn) {
		bool more = false;

		if (vmm_loop_dispatch(machine.loop) == 0) {
			struct pollfd p = { .fd = vmm_loop_fd(machine.loop), .events = POLLIN };

			nr_calls++;
			(void)poll(&p, 1, -1);
		}
		while (seen != __atomic_load_n(&used()->idx, __ATOMIC_ACQUIRE)) {
			uint32_t slot = used()->ring[seen++ % ENTRIES].id / 3;

			if (machine.ram[HEADERS + slot * 64 + 32] != VIRTIO_BLK_S_OK)
				bench_die("a request failed");
			done++;
			if (started < work.turn) {
				offer(slot);
				started++;
				more = true;
			}
		}
		if (more)
			kick();
	}
	return bench_now() - start;
}

static void machine_make(void)
{
	if (vmm_loop_create(NULL, &machine.loop) < 0)
		bench_die("vmm_loop_create");
	machine.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (machine.ram == MAP_FAILED)
		bench_die_errno("mmap");
	machine.mem = (struct vmm_mem){
		.regions = { { .gpa = 0, .size = RAM_BYTES, .host = machine.ram } },
		.nr_regions = 1,
	};
	machine.cancel.in_place = true;
	machine.host = (struct device_host){
		.mem = &machine.mem, .loop = machine.loop, .cancel = &machine.cancel,
		.default_transport = VMM_TRANSPORT_MMIO, .broken = broken,
	};
}

static void device_start(void)
{
	const uint32_t steps = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct virtio *v = &machine.dev->virtio;

	memset(machine.ram, 0, DATA);
	seen = offered = 0;
	vmm__device_write_status(machine.dev, 0);
	vmm__device_write_status(machine.dev, steps);
	v->driver_select = 0;
	vmm__virtio_write_driver_word(v, 1u << VIRTIO_BLK_F_FLUSH);
	v->driver_select = 1;
	vmm__virtio_write_driver_word(v, 1);		/* VERSION_1 */
	vmm__device_write_status(machine.dev, steps | VIRTIO_CONFIG_S_FEATURES_OK);
	v->queue_select = 0;
	vmm__virtio_set_size(v, ENTRIES);
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DESC, false, 0);
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DRIVER, false, AVAIL);
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DEVICE, false, USED);
	vmm__virtio_set_enabled(v, true);
	vmm__device_write_status(machine.dev, steps | VIRTIO_CONFIG_S_FEATURES_OK |
					      VIRTIO_CONFIG_S_DRIVER_OK);
	if (!vmm_device_active(machine.dev))
		bench_die("the device did not start");
}

static void disk_open(const char *path, uint32_t flags)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	int r;

	file.path = path;
	file.flags = flags;
	r = path ? vmm_blk_open_file(&file, &config.backend)
		 : vmm_blk_open_ram(DISK_BYTES, &config.backend);
	config.queue_size = ENTRIES;
	vmm_loop_enter(machine.loop);
	if (r < 0 || vmm_add_block((struct vmm *)(void *)&machine, &config, NULL) < 0)
		bench_die("the disk");
	vmm_loop_leave(machine.loop);
	device_start();
}

/* ---- directly ---- */

static struct io_uring ring;

static void direct_start(uint32_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	unsigned char *bytes = machine.ram + data_at(slot);

	if (work.op == VIRTIO_BLK_T_IN)
		io_uring_prep_read(sqe, work.fd, bytes, work.bytes, next_offset());
	else
		io_uring_prep_write(sqe, work.fd, bytes, work.bytes, next_offset());
	io_uring_sqe_set_data64(sqe, slot);
}

static uint64_t run_direct(void *data)
{
	uint64_t start = bench_now();
	uint32_t started = 0, done = 0;

	while (started < work.depth)
		direct_start(started++);
	while (done < work.turn) {
		struct io_uring_cqe *cqe;

		(void)io_uring_submit_and_wait(&ring, 1);
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			uint32_t slot = (uint32_t)io_uring_cqe_get_data64(cqe);

			if (cqe->res != (int)work.bytes)
				bench_die("direct I/O");
			io_uring_cqe_seen(&ring, cqe);
			done++;
			if (started < work.turn) {
				direct_start(slot);
				started++;
			}
		}
	}
	return bench_now() - start;
}

static uint64_t run_memory(void *data)
{
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < work.turn; i++) {
		unsigned char *guest = machine.ram + data_at(i % work.depth);
		unsigned char *disk = work.disk + next_offset();

		if (work.op == VIRTIO_BLK_T_IN)
			memcpy(guest, disk, work.bytes);
		else
			memcpy(disk, guest, work.bytes);
		__asm__ volatile("" : : : "memory");
	}
	return bench_now() - start;
}

/* ---- figures ---- */

static int compare(const char *disk, uint32_t op, uint32_t bytes, uint32_t depth)
{
	char name[96];
	struct bench bench = {
		.name = name, .ours = "virtio disk", .floor = work.memory ? "memcpy" : "io_uring",
		.run_ours = run_device, .run_floor = work.memory ? run_memory : run_direct,
		.pairs = PAIRS,
		/* 0.9 of the speed. What is but a copy costs about what its ring costs: shown only. */
		.goal = work.device && depth >= 32 ? 1 / 0.9 : 0,
	};
	uint64_t requests;
	int r;

	work.op = op;
	work.bytes = bytes;
	work.depth = depth;
	work.turn = bytes == LARGE ? 64 : TURN;
	bench.operations = work.turn;
	snprintf(name, sizeof(name), "%s, %s %s, depth %u", disk, bytes == LARGE ? "1 MiB" : "4 KiB",
		 op == VIRTIO_BLK_T_IN ? "read" : "write", depth);
	nr_calls = nr_kicks = machine.interrupts = 0;
	r = bench_run(&bench);
	requests = (uint64_t)(PAIRS + 1) * work.turn;
	printf("%s: for each request %.3f system calls, %.3f notifications, %.3f interrupts\n", name,
	       (double)nr_calls / (double)requests, (double)nr_kicks / (double)requests,
	       (double)machine.interrupts / (double)requests);
	return r;
}

static int compare_all(const char *disk)
{
	static const uint32_t depths[] = { 1, 32, 128 };
	int r = 0;

	for (uint32_t op = VIRTIO_BLK_T_IN; op <= VIRTIO_BLK_T_OUT; op++) {
		for (size_t i = 0; i < 3; i++)
			r |= compare(disk, op, SMALL, depths[i]);
		r |= compare(disk, op, LARGE, 32);
	}
	vmm__device_destroy(machine.dev);
	return r;
}

static void fill_file(void)
{
	for (uint64_t at = 0; at < DISK_BYTES; at += LARGE) {
		if (pwrite(file_fd, machine.ram + DATA, LARGE, (off_t)at) != (ssize_t)LARGE)
			bench_die_errno("write");
	}
	(void)fdatasync(file_fd);
}

int main(void)
{
	char path[64] = "bench.XXXXXX";
	int r = 0;

	machine_make();
	file_fd = mkostemp(path, O_CLOEXEC);
	if (file_fd < 0 || io_uring_queue_init(DEPTH_MAX, &ring, 0) < 0)
		bench_die_errno("a file and an io_uring");
	(void)unlink(path);
	fill_file();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);

	work.fd = file_fd;
	disk_open(path, 0);
	r |= compare_all("cached file");

	work.fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (work.fd >= 0) {
		disk_open(path, VMM_BLK_FILE_DIRECT);
		work.device = true;
		r |= compare_all("file past the cache");
		work.device = false;
		close(work.fd);
	}

	work.memory = true;
	work.disk = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (work.disk == MAP_FAILED)
		bench_die_errno("mmap");
	memset(work.disk, 1, DISK_BYTES);
	disk_open(NULL, 0);
	r |= compare_all("memory");

	io_uring_queue_exit(&ring);
	close(file_fd);
	return r;
}
