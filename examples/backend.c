/* SPDX-License-Identifier: MIT */
/*
 * backend.c - a disk of one's own: an image that the guest may scribble on, and that stays
 * as it was. What the guest writes is kept in memory and forgotten at the end.
 *
 *	backend KERNEL IMAGE [INITRD [CMDLINE]]
 *
 * The image is read by a thread, so that the guest's loop never waits for it: submit() puts
 * a request in a list, the thread takes it from there and answers it with vmm_blk_complete().
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/vmm.h>

#define PIECE	4096u		/* what is copied on the first write to any of it */

struct scratch {
	int image_fd;
	uint64_t capacity;
	unsigned char **pieces;	/* NULL: as in the image */
	uint64_t nr_written;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct vmm_blk_request *first, **last;
	bool busy, over;
};

/* ---- the disk ---- */

/* The request that waits behind @req: its scratch is ours. */
static struct vmm_blk_request **next_of(struct vmm_blk_request *req)
{
	return (struct vmm_blk_request **)req->scratch;
}

static int read_image(struct scratch *disk, void *to, size_t len, uint64_t offset)
{
	ssize_t n = pread(disk->image_fd, to, len, (off_t)offset);

	/* Somebody may make the image shorter: that is an I/O error, not our end. */
	return n == (ssize_t)len ? 0 : -EIO;
}

/* @len bytes within one piece. */
static int read_piece(struct scratch *disk, void *to, size_t len, uint64_t offset)
{
	const unsigned char *piece = disk->pieces[offset / PIECE];

	if (!piece)
		return read_image(disk, to, len, offset);
	memcpy(to, piece + offset % PIECE, len);
	return 0;
}

static int write_piece(struct scratch *disk, const void *from, size_t len, uint64_t offset)
{
	unsigned char **piece = &disk->pieces[offset / PIECE];
	uint64_t begin = offset - offset % PIECE;
	uint64_t rest = disk->capacity - begin;

	if (!*piece) {
		*piece = calloc(1, PIECE);
		if (!*piece)
			return -ENOSPC;
		if (read_image(disk, *piece, rest < PIECE ? rest : PIECE, begin) < 0) {
			free(*piece);
			*piece = NULL;
			return -EIO;
		}
		disk->nr_written++;
	}
	memcpy(*piece + offset % PIECE, from, len);
	return 0;
}

/* Move the bytes of a read or a write. */
static int transfer(struct scratch *disk, const struct vmm_blk_request *req)
{
	uint64_t offset = req->offset;
	int r = 0;

	for (uint32_t i = 0; i < req->nr_iov; i++) {
		unsigned char *guest = req->iov[i].iov_base;
		size_t left = req->iov[i].iov_len;

		while (left > 0 && r == 0) {
			size_t len = PIECE - offset % PIECE;

			if (len > left)
				len = left;
			r = req->op == VMM_BLK_READ ? read_piece(disk, guest, len, offset)
						    : write_piece(disk, guest, len, offset);
			guest += len;
			left -= len;
			offset += len;
		}
	}
	return r;
}

static void *work(void *arg)
{
	struct scratch *disk = arg;

	pthread_mutex_lock(&disk->lock);
	for (;;) {
		struct vmm_blk_request *req = disk->first;

		if (!req && disk->over)
			break;
		if (!req) {
			pthread_cond_wait(&disk->work, &disk->lock);
			continue;
		}
		disk->first = *next_of(req);
		if (!disk->first)
			disk->last = &disk->first;
		disk->busy = true;
		pthread_mutex_unlock(&disk->lock);

		vmm_blk_complete(req, transfer(disk, req));

		pthread_mutex_lock(&disk->lock);
		disk->busy = false;
		if (!disk->first)
			pthread_cond_signal(&disk->idle);
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

/* ---- what the library calls ---- */

static int scratch_attach(void *state, struct vmm_loop *loop)
{
	struct scratch *disk = state;

	return -pthread_create(&disk->thread, NULL, work, disk);
}

static void scratch_submit(void *state, struct vmm_blk_request *req)
{
	struct scratch *disk = state;

	*next_of(req) = NULL;
	pthread_mutex_lock(&disk->lock);
	*disk->last = req;
	disk->last = next_of(req);
	pthread_cond_signal(&disk->work);
	pthread_mutex_unlock(&disk->lock);
}

static void scratch_drain(void *state)
{
	struct scratch *disk = state;

	pthread_mutex_lock(&disk->lock);
	while (disk->first || disk->busy)
		pthread_cond_wait(&disk->idle, &disk->lock);
	pthread_mutex_unlock(&disk->lock);
}

static void scratch_detach(void *state)
{
	struct scratch *disk = state;

	pthread_mutex_lock(&disk->lock);
	disk->over = true;
	pthread_cond_signal(&disk->work);
	pthread_mutex_unlock(&disk->lock);
	pthread_join(disk->thread, NULL);
	fprintf(stderr, "forgotten: %llu KiB\n",
		(unsigned long long)(disk->nr_written * PIECE / 1024));
}

static void scratch_destroy(void *state)
{
	struct scratch *disk = state;

	for (uint64_t i = 0; i * PIECE < disk->capacity; i++)
		free(disk->pieces[i]);
	free(disk->pieces);
	pthread_cond_destroy(&disk->idle);
	pthread_cond_destroy(&disk->work);
	pthread_mutex_destroy(&disk->lock);
	close(disk->image_fd);
	free(disk);
}

static const struct vmm_blk_ops scratch_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "scratch",
	.attach = scratch_attach,
	.submit = scratch_submit,
	.drain = scratch_drain,
	.detach = scratch_detach,
	.destroy = scratch_destroy,
};

static int scratch_open(const char *path, struct vmm_blk **ret_blk)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct scratch *disk = calloc(1, sizeof(*disk));
	struct stat stat;
	int r;

	if (!disk)
		return -ENOMEM;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->work, NULL);
	pthread_cond_init(&disk->idle, NULL);
	disk->last = &disk->first;
	disk->image_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (disk->image_fd < 0 || fstat(disk->image_fd, &stat) < 0) {
		r = -errno;
		goto destroy;
	}
	if (!S_ISREG(stat.st_mode)) {
		r = -EINVAL;
		goto destroy;
	}

	disk->pieces = calloc((size_t)stat.st_size / PIECE + 1, sizeof(*disk->pieces));
	if (!disk->pieces) {
		r = -ENOMEM;
		goto destroy;
	}
	/* No flush: nothing here outlives the guest. */
	disk->capacity = info.capacity = (uint64_t)stat.st_size / 512 * 512;
	info.physical_block_size = PIECE;
	r = vmm_blk_create(&scratch_ops, disk, &info, ret_blk);
	if (r < 0)
		goto destroy;
	return 0;

destroy:
	scratch_destroy(disk);
	return r;
}

/* ---- the guest ---- */

static int fail(const char *what, int r)
{
	const char *words = vmm_last_error();	/* none when it was ours that failed */

	fprintf(stderr, "%s: %s\n", what, words[0] ? words : strerror(-r));
	return EXIT_FAILURE;
}

static int plug_console(struct vmm *vm)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	int r = vmm_console_open_fd(-1, STDOUT_FILENO, &config.backend);

	if (r == 0)
		r = vmm_add_console(vm, &config, NULL);
	if (r < 0)
		vmm_console_destroy(config.backend);
	return r;
}

static int plug_disk(struct vmm *vm, const char *image)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	int r = scratch_open(image, &config.backend);

	config.serial = "scratch";
	if (r == 0)
		r = vmm_add_block(vm, &config, NULL);
	if (r < 0)
		vmm_blk_destroy(config.backend);
	return r;
}

static int run(struct vmm *vm, char **argv, int argc)
{
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	struct vmm_stop_info stop = VMM_STOP_INFO_INIT;
	int r;

	r = plug_console(vm);
	if (r < 0)
		return fail("console", r);
	r = plug_disk(vm, argv[2]);
	if (r < 0)
		return fail(argv[2], r);

	boot.kernel_path = argv[1];
	boot.initrd_path = argc > 3 ? argv[3] : NULL;
	boot.cmdline = argc > 4 ? argv[4] : "console=hvc0 root=/dev/vda rw";
	r = vmm_boot_linux(vm, &boot);
	if (r < 0)
		return fail(argv[1], r);
	r = vmm_start(vm);
	if (r < 0)
		return fail("start", r);
	r = vmm_wait(vm, &stop);
	if (r < 0)
		return fail("wait", r);

	fprintf(stderr, "%s\n", stop.words);
	return stop.reason == VMM_STOP_CRASHED ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;
	int r;

	if (argc < 3 || argc > 5) {
		fprintf(stderr, "usage: %s KERNEL IMAGE [INITRD [CMDLINE]]\n", argv[0]);
		return EXIT_FAILURE;
	}

	config.name = "backend";
	config.ram_bytes = 256 << 20;
	r = vmm_create(&config, &vm);
	if (r < 0)
		return fail("guest", r);
	r = run(vm, argv, argc);
	vmm_destroy(vm);
	return r;
}
