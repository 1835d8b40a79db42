/* SPDX-License-Identifier: MIT */
/* test_dump.c - a guest as a core file: what is in it, how much room it takes, and descriptors that fail. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <libvmm/dump.h>
#include "bare.h"

#define RAM	(64u << 20)

static struct holdings before;
static struct vmm *vm;

static void setup(void)
{
	before = holdings_now();
}

static void teardown(void)
{
	vmm_destroy(vm);
	assert_nothing_left(before);
}

static void reach(uint32_t state)
{
	ck_assert_int_eq(vmm_wait_state(vm, 1u << state, 20000), (int)state);
}

/* A guest that spins, paused, with marks in its memory. */
static void make(uint32_t kind, uint32_t nr_vcpus)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	config.name = "dumped";
	config.ram_bytes = RAM;
	config.ram_kind = kind;
	config.nr_vcpus = nr_vcpus;
	config.flags = VMM_F_KVM_ONLY;
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	for (uint32_t i = 0; i < nr_vcpus; i++)
		bare_enter(vm, i, CODE_SPIN, 2);
	ck_assert_int_eq(vmm_mem_write(vmm_memory(vm), 0x123456, "somewhere", 9), 0);
	ck_assert_int_eq(vmm_mem_write(vmm_memory(vm), RAM / 2, "in the middle", 13), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_pause(vm), 0);
	reach(VMM_STATE_PAUSED);
}

static int temporary(void)
{
	char path[] = "/tmp/libvmm-dump.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	return fd;
}

static void read_all(int fd, void *to, size_t len, uint64_t offset)
{
	ck_assert_int_eq(pread(fd, to, len, (off_t)offset), (ssize_t)len);
}

/* The core's memory is the guest's. */
static void check_memory(int fd, const Elf64_Phdr *load)
{
	static unsigned char core[1 << 20], guest[1 << 20];

	for (uint64_t at = 0; at < load->p_filesz; at += sizeof(core)) {
		read_all(fd, core, sizeof(core), load->p_offset + at);
		ck_assert_int_eq(vmm_mem_read(vmm_memory(vm), load->p_paddr + at, guest, sizeof(guest)), 0);
		ck_assert_mem_eq(core, guest, sizeof(core));
	}
}

static void check_notes(int fd, const Elf64_Phdr *note, uint32_t nr_vcpus)
{
	uint64_t at = note->p_offset;
	uint32_t threads = 0;
	struct elf_prstatus status;
	Elf64_Nhdr header;

	while (at < note->p_offset + note->p_filesz) {
		read_all(fd, &header, sizeof(header), at);
		at += sizeof(header) + ((header.n_namesz + 3) & ~3u);
		if (header.n_type == NT_PRSTATUS) {
			ck_assert_uint_eq(header.n_descsz, sizeof(status));
			read_all(fd, &status, sizeof(status), at);
			ck_assert_int_eq(status.pr_pid, (int)++threads);
			ck_assert_uint_eq(((uint64_t *)&status.pr_reg)[16], CODE);	/* rip */
		}
		at += (header.n_descsz + 3) & ~3u;
	}
	ck_assert_uint_eq(at, note->p_offset + note->p_filesz);
	ck_assert_uint_eq(threads, nr_vcpus);
}

static void check_core(int fd, uint32_t nr_vcpus)
{
	Elf64_Ehdr header;
	Elf64_Phdr phdr[9];

	read_all(fd, &header, sizeof(header), 0);
	ck_assert_mem_eq(header.e_ident, ELFMAG, SELFMAG);
	ck_assert_uint_eq(header.e_type, ET_CORE);
	ck_assert_uint_eq(header.e_machine, EM_X86_64);
	ck_assert_uint_eq(header.e_phnum, 2);
	read_all(fd, phdr, header.e_phnum * sizeof(phdr[0]), header.e_phoff);
	ck_assert_uint_eq(phdr[0].p_type, PT_NOTE);
	check_notes(fd, &phdr[0], nr_vcpus);
	ck_assert_uint_eq(phdr[1].p_type, PT_LOAD);
	ck_assert_uint_eq(phdr[1].p_paddr, 0);
	ck_assert_uint_eq(phdr[1].p_filesz, RAM);
	ck_assert_uint_eq(phdr[1].p_offset % 4096, 0);
	check_memory(fd, &phdr[1]);
}

static const uint32_t kinds[] = { VMM_RAM_MEMFD, VMM_RAM_ANON };

START_TEST(a_core_holds_memory_and_registers_and_takes_little_room)
{
	struct stat st;
	int fd = temporary();

	make(kinds[_i], 3);
	/* What was there before does not shine through the holes. */
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	for (int i = 0; i < 256; i++)
		ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\xff", 4, i * 4096 + 100), 4);
	ck_assert_msg(vmm_dump(vm, fd) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_gt(st.st_size, RAM);
	ck_assert_int_lt(st.st_size, RAM + 65536);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
	check_core(fd, 3);
	close(fd);
}
END_TEST

START_TEST(dumping_does_not_have_the_host_back_the_ram)
{
	struct stat st_before, st;
	char path[64];
	int fd = temporary(), ram = -1;

	make(VMM_RAM_MEMFD, 1);
	for (int i = 3; i < 64 && ram < 0; i++) {
		char target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "vmm-ram"))
			ram = i;
	}
	ck_assert_int_ge(ram, 0);
	ck_assert_int_eq(fstat(ram, &st_before), 0);
	ck_assert_int_eq(vmm_dump(vm, fd), 0);
	ck_assert_int_eq(fstat(ram, &st), 0);
	ck_assert_int_eq(st.st_blocks, st_before.st_blocks);
	close(fd);
}
END_TEST

START_TEST(a_dump_goes_where_the_descriptor_stands)
{
	int fd = temporary(), other;

	make(VMM_RAM_MEMFD, 1);
	ck_assert_int_eq(pwrite(fd, "before", 6, 0), 6);
	ck_assert_int_eq(lseek(fd, 4096, SEEK_SET), 4096);
	ck_assert_int_eq(vmm_dump(vm, fd), 0);
	other = temporary();
	for (off_t at = 4096; ;) {
		static char piece[1 << 16];
		ssize_t n = pread(fd, piece, sizeof(piece), at);

		if (n <= 0)
			break;
		ck_assert_int_eq(pwrite(other, piece, (size_t)n, at - 4096), n);
		at += n;
	}
	check_core(other, 1);
	close(other);
	close(fd);
}
END_TEST

struct copy {
	int from, to;
};

static void *copy_on(void *data)
{
	const struct copy *copy = data;
	static char piece[1 << 16];
	ssize_t n;

	while ((n = read(copy->from, piece, sizeof(piece))) > 0)
		(void)!write(copy->to, piece, (size_t)n);
	return NULL;
}

START_TEST(a_pipe_gets_every_byte)
{
	struct copy copy = { .to = temporary() };
	pthread_t thread;
	int fds[2];

	make(VMM_RAM_MEMFD, 2);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	copy.from = fds[0];
	ck_assert_int_eq(pthread_create(&thread, NULL, copy_on, &copy), 0);
	ck_assert_msg(vmm_dump(vm, fds[1]) == 0, "%s", vmm_last_error());
	close(fds[1]);
	pthread_join(thread, NULL);
	check_core(copy.to, 2);
	close(fds[0]);
	close(copy.to);
}
END_TEST

START_TEST(a_file_that_appends_gets_every_byte_too)
{
	char path[] = "/tmp/libvmm-dump.XXXXXX";
	int fd = mkstemp(path), append = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	unlink(path);
	make(VMM_RAM_MEMFD, 1);
	ck_assert_int_eq(vmm_dump(vm, append), 0);
	check_core(fd, 1);
	close(append);
	close(fd);
}
END_TEST

/* None of these raises a signal that would end the process. */
START_TEST(a_descriptor_that_fails_is_an_error_with_words)
{
	struct rlimit limit = { RAM / 4, RLIM_INFINITY };
	int fds[2], r, fd = temporary(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int readable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	sigset_t pending;

	make(VMM_RAM_MEMFD, 1);
	ck_assert_int_eq(vmm_dump(vm, full), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "dump"));
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	ck_assert_int_eq(vmm_dump(vm, fds[1]), -EPIPE);
	ck_assert_int_eq(vmm_dump(vm, 900), -EBADF);
	ck_assert_int_lt(vmm_dump(vm, readable), 0);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	r = vmm_dump(vm, fd);
	limit.rlim_cur = RLIM_INFINITY;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_eq(r, -EFBIG);
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE) && !sigismember(&pending, SIGXFSZ));

	/* And the guest is as it was. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(vmm_dump(vm, fd), 0);
	check_core(fd, 1);
	ck_assert_int_eq(vmm_resume(vm), 0);
	reach(VMM_STATE_RUNNING);
	close(readable);
	close(fds[1]);
	close(full);
	close(fd);
}
END_TEST

START_TEST(only_a_guest_that_stands_still_is_dumped)
{
	int fd = temporary();

	ck_assert_int_eq(vmm_dump(NULL, fd), -EINVAL);
	make(VMM_RAM_ANON, 1);
	ck_assert_int_eq(vmm_dump(vm, -1), -EINVAL);
	ck_assert_int_eq(vmm_resume(vm), 0);
	ck_assert_int_eq(vmm_dump(vm, fd), -EBUSY);
	ck_assert_int_eq(vmm_stop(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_int_eq(vmm_dump(vm, fd), 0);
	check_core(fd, 1);
	close(fd);
}
END_TEST

struct dumping {
	int fd, result;
};

static void *dump_on(void *data)
{
	struct dumping *d = data;

	d->result = vmm_dump(vm, d->fd);
	return NULL;
}

/* A pipe that nobody reads yet keeps the dump under way. */
START_TEST(a_guest_stands_still_until_its_dump_is_done)
{
	struct dumping d;
	struct copy copy = { .to = temporary() };
	pthread_t dumper, copier;
	int fds[2], other = temporary();

	make(VMM_RAM_MEMFD, 1);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	d.fd = fds[1];
	ck_assert_int_eq(pthread_create(&dumper, NULL, dump_on, &d), 0);
	usleep(100000);
	ck_assert_int_eq(vmm_dump(vm, other), -EBUSY);
	ck_assert_int_eq(vmm_resume(vm), 0);
	usleep(50000);
	ck_assert_uint_eq(vmm_state(vm), VMM_STATE_PAUSED);
	if (_i) {
		ck_assert_int_eq(vmm_stop(vm), 0);
		reach(VMM_STATE_STOPPED);
		ck_assert_int_eq(vmm_start(vm), -EBUSY);
	}
	copy.from = fds[0];
	ck_assert_int_eq(pthread_create(&copier, NULL, copy_on, &copy), 0);
	pthread_join(dumper, NULL);
	ck_assert_int_eq(d.result, 0);
	close(fds[1]);
	pthread_join(copier, NULL);
	check_core(copy.to, 1);
	reach(_i ? VMM_STATE_STOPPED : VMM_STATE_RUNNING);
	close(fds[0]);
	close(copy.to);
	close(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dump");
	TCase *tcase = tcase_create("dump");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_core_holds_memory_and_registers_and_takes_little_room, 0, 2);
	tcase_add_test(tcase, dumping_does_not_have_the_host_back_the_ram);
	tcase_add_test(tcase, a_dump_goes_where_the_descriptor_stands);
	tcase_add_test(tcase, a_pipe_gets_every_byte);
	tcase_add_test(tcase, a_file_that_appends_gets_every_byte_too);
	tcase_add_test(tcase, a_descriptor_that_fails_is_an_error_with_words);
	tcase_add_test(tcase, only_a_guest_that_stands_still_is_dumped);
	tcase_add_loop_test(tcase, a_guest_stands_still_until_its_dump_is_done, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
