/* SPDX-License-Identifier: MIT */
/*
 * terminal.c - the guest's consoles on standard input and output.
 *
 * A backend of <libvmm/console.h> of the application's own: the library's own
 * one for descriptors knows no escape key. All of it runs on the loop.
 *
 * Output waits in one buffer; when that is full the guest's consoles wait
 * (VMM_CONSOLE_WAIT), so that nothing is lost in a slow pipe. Output that nobody
 * can take any more (EPIPE, EIO, a full disk) is dropped: the guest goes on.
 *
 * Input waits in another. When that is full, a pipe or a file is not read on; a
 * terminal is, for the escape key must work on a guest that hangs, and what
 * there is no room for is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "terminal.h"
#include "tty.h"

#define ESCAPE_KEY	0x1d	/* Ctrl-] */
#define BUFFER_SIZE	(64 << 10)
#define MAX_PORTS	2

struct buffer {
	size_t len;
	char bytes[BUFFER_SIZE];
};

struct terminal_port {
	struct terminal *terminal;
	struct vmm_console_port *port;	/* NULL: not plugged in */
	bool waiting;			/* took less than it was offered */
};

struct terminal {
	struct vmm_loop *loop;
	void (*key)(void *data, int letter);
	void *data;

	int input, output;		/* descriptors of our own; input -1 at its end */
	bool input_tty, output_socket;
	bool output_lost;		/* said already */
	bool escaped;			/* the last byte was the escape key */
	struct vmm_source *input_source;	/* NULL for plain files: they cannot be polled */
	struct vmm_source *output_source;
	struct vmm_deferred feed, resize;

	struct terminal_port ports[MAX_PORTS];
	uint32_t nr_ports;
	struct terminal_port *focus;	/* who gets what is typed */
	struct buffer in, out;
};

static void buffer_take(struct buffer *b, size_t len)
{
	b->len -= len;
	memmove(b->bytes, b->bytes + len, b->len);
}

static size_t buffer_put(struct buffer *b, const void *data, size_t len)
{
	size_t room = sizeof(b->bytes) - b->len;
	size_t n = len < room ? len : room;

	memcpy(b->bytes + b->len, data, n);
	b->len += n;
	return n;
}

/* ---- output ---- */

static void output_say(struct terminal *t, int error)
{
	if (!t->output_lost)
		say("standard output: %s; the guest's output is dropped", strerror(error));
	t->output_lost = true;
}

/* Nobody will ever read standard output again. */
static void output_end(struct terminal *t, int error)
{
	output_say(t, error);
	vmm_source_remove(t->output_source);
	t->output_source = NULL;
	close(t->output);
	t->output = -1;
	t->out.len = 0;
}

static ssize_t output_write(struct terminal *t)
{
	if (t->output_socket)
		return send(t->output, t->out.bytes, t->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(t->output, t->out.bytes, t->out.len);
}

/* Write what can be written without waiting. */
static void output_flush(struct terminal *t)
{
	while (t->out.len > 0 && t->output >= 0) {
		ssize_t n = output_write(t);

		if (n > 0)
			buffer_take(&t->out, (size_t)n);
		else if (errno == EPIPE || errno == EIO || errno == EBADF)
			output_end(t, errno);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR) {
			output_say(t, errno);	/* a full disk may have room again later */
			t->out.len = 0;
		}
	}
	if (t->output < 0)
		t->out.len = 0;
	if (t->output_source)
		vmm_source_watch(t->output_source, t->out.len > 0 ? EPOLLOUT : 0);
}

/* There is room again: let those who wait write. They come back through port_write(). */
static void output_ready(void *data, uint32_t revents)
{
	struct terminal *t = data;

	if (revents & (EPOLLERR | EPOLLHUP))
		output_end(t, EPIPE);
	output_flush(t);
	for (uint32_t i = 0; i < t->nr_ports && t->out.len < BUFFER_SIZE; i++) {
		struct terminal_port *p = &t->ports[i];

		if (p->waiting && p->port) {
			p->waiting = false;
			vmm_console_port_writable(p->port);
		}
	}
}

static size_t port_write(void *state, const void *data, size_t len)
{
	struct terminal_port *p = state;
	struct terminal *t = p->terminal;
	size_t n = 0;

	t->focus = p;
	do {
		n += buffer_put(&t->out, (const char *)data + n, len - n);
		output_flush(t);
	} while (n < len && t->out.len == 0);
	/* When not all was taken, output_ready() will come: something is left to write. */
	p->waiting = n < len;
	return n;
}

/* ---- input ---- */

/* Give the guest what was typed; go on reading once there is room. */
static void input_flush(struct terminal *t)
{
	struct vmm_console_port *port = t->focus ? t->focus->port : NULL;
	bool more;

	if (port && t->in.len > 0)
		buffer_take(&t->in, vmm_console_port_input(port, t->in.bytes, t->in.len));
	if (t->input < 0)
		return;
	more = t->input_tty || t->in.len < BUFFER_SIZE;
	if (t->input_source)
		vmm_source_watch(t->input_source, more ? EPOLLIN : 0);
	else if (more)
		vmm_defer(&t->feed);
}

/* Take bytes of the keyboard; what follows the escape key is not for the guest. */
static void input_typed(struct terminal *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (t->escaped && bytes[i] != ESCAPE_KEY) {
			t->escaped = false;
			t->key(t->data, bytes[i]);
		} else if (!t->escaped && bytes[i] == ESCAPE_KEY) {
			t->escaped = true;
		} else {
			t->escaped = false;
			buffer_put(&t->in, &bytes[i], 1);
		}
	}
}

/* Standard input has ended, which the guest does not see: a console has no end. */
static void input_end(struct terminal *t)
{
	vmm_source_remove(t->input_source);
	t->input_source = NULL;
	close(t->input);
	t->input = -1;
}

static void input_ready(void *data, uint32_t revents)
{
	struct terminal *t = data;
	char bytes[4096];
	size_t room = BUFFER_SIZE - t->in.len;
	ssize_t n;

	if (t->input_tty || room > sizeof(bytes))
		room = sizeof(bytes);
	if (room == 0) {
		/* The other end hung up and we cannot read yet: the rest is there, as in a file. */
		vmm_source_remove(t->input_source);
		t->input_source = NULL;
		return;
	}
	n = read(t->input, bytes, room);
	if (n < 0 && (errno == EINTR || (errno == EAGAIN && t->input_source)))
		return;
	if (n <= 0)
		input_end(t);
	else if (t->input_tty)
		input_typed(t, bytes, (size_t)n);
	else
		buffer_put(&t->in, bytes, (size_t)n);
	input_flush(t);
}

static void input_feed(struct vmm_deferred *deferred)
{
	struct terminal *t =
		(struct terminal *)((char *)deferred - offsetof(struct terminal, feed));

	if (t->input >= 0)
		input_ready(t, EPOLLIN);
}

/* ---- the backend ---- */

static int port_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct terminal_port *p = state;

	p->port = port;
	return 0;
}

static void port_readable(void *state)
{
	struct terminal_port *p = state;

	input_flush(p->terminal);
}

static void port_detach(void *state)
{
	struct terminal_port *p = state;

	p->port = NULL;
}

static const struct vmm_console_ops port_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "terminal",
	.attach = port_attach,
	.write = port_write,
	.readable = port_readable,
	.detach = port_detach,
};

int terminal_open(struct terminal *t, struct vmm_chardev **ret_chardev)
{
	struct terminal_port *p = &t->ports[t->nr_ports];
	int r;

	if (t->nr_ports == MAX_PORTS)
		return -ENOSPC;
	p->terminal = t;
	r = vmm_console_create(&port_ops, p, ret_chardev);
	if (r < 0)
		return r;
	if (t->nr_ports++ == 0)
		t->focus = p;
	return 0;
}

static void send_size(struct vmm_deferred *deferred)
{
	struct terminal *t =
		(struct terminal *)((char *)deferred - offsetof(struct terminal, resize));
	uint16_t columns, rows;

	terminal_size(&columns, &rows);
	for (uint32_t i = 0; i < t->nr_ports && columns > 0; i++) {
		if (t->ports[i].port)
			vmm_console_port_resize(t->ports[i].port, columns, rows);
	}
}

void terminal_resized(struct terminal *t)
{
	vmm_defer(&t->resize);
}

void terminal_size(uint16_t *ret_columns, uint16_t *ret_rows)
{
	struct winsize w = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		memset(&w, 0, sizeof(w));
	*ret_columns = w.ws_col;
	*ret_rows = w.ws_row;
}

void terminal_raw(struct terminal *t)
{
	if (t->input_tty)
		tty_raw();
}

/* ---- made and ended ---- */

/* A source for @fd; none for what is always ready. Returns 0 or -errno. */
static int watch(struct terminal *t, int fd, uint32_t events,
		 void (*ready)(void *data, uint32_t revents), struct vmm_source **ret_source)
{
	int r = vmm_loop_add_fd(t->loop, fd, events, ready, t, ret_source);

	return r == -EPERM ? 0 : r;
}

int terminal_create(struct vmm_loop *loop, void (*key)(void *data, int letter), void *data,
		    struct terminal **ret_terminal)
{
	struct terminal *t = calloc(1, sizeof(*t));
	struct stat st;
	int r;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->key = key;
	t->data = data;
	t->input_tty = isatty(STDIN_FILENO);
	t->output_socket = fstat(STDOUT_FILENO, &st) == 0 && S_ISSOCK(st.st_mode);
	t->input = tty_own(STDIN_FILENO, O_RDONLY);
	t->output = tty_own(STDOUT_FILENO, O_WRONLY);
	vmm_deferred_init(&t->feed, loop, input_feed);
	vmm_deferred_init(&t->resize, loop, send_size);

	r = t->input < 0 || t->output < 0 ? -errno : 0;
	if (r == 0)
		r = watch(t, t->input, EPOLLIN, input_ready, &t->input_source);
	if (r == 0)
		r = watch(t, t->output, 0, output_ready, &t->output_source);
	if (r < 0) {
		terminal_destroy(t);
		return r;
	}
	if (!t->input_source)
		vmm_defer(&t->feed);
	*ret_terminal = t;
	return 0;
}

void terminal_destroy(struct terminal *t)
{
	if (!t)
		return;
	for (int tries = 0; tries < 10 && t->out.len > 0; tries++) {
		struct pollfd p = { .fd = t->output, .events = POLLOUT };

		output_flush(t);
		if (t->out.len > 0)
			poll(&p, 1, 100);
	}
	vmm_deferred_cancel(&t->feed);
	vmm_deferred_cancel(&t->resize);
	vmm_source_remove(t->input_source);
	vmm_source_remove(t->output_source);
	if (t->input >= 0)
		close(t->input);
	if (t->output >= 0)
		close(t->output);
	free(t);
}
