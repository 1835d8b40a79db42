/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the guest's consoles on standard input and output.
 */
#ifndef VMM_RUN_TERMINAL_H
#define VMM_RUN_TERMINAL_H

#include <stdbool.h>
#include <libvmm/console.h>

struct terminal;

/*
 * Use standard input and output. @key(@data, letter) is called on @loop for what
 * is typed after the escape key. The caller owns *@ret_terminal. Returns 0 or -errno.
 */
int terminal_create(struct vmm_loop *loop, void (*key)(void *data, int letter), void *data,
		    struct terminal **ret_terminal);

/*
 * Write what is left, for as long as a second, and let go of the descriptors.
 * After the guests that use it are destroyed. NULL is allowed.
 */
void terminal_destroy(struct terminal *terminal);

/*
 * A backend for one console of the guest; at most two. Both write to standard
 * output; what is typed goes to the one that wrote last.
 */
int terminal_open(struct terminal *terminal, struct vmm_chardev **ret_chardev);

/* Switch the terminal to raw mode: now, and once more after a SIGCONT. */
void terminal_raw(struct terminal *terminal);

/* Tell the guest the terminal's size, at the next dispatch: after a SIGWINCH. */
void terminal_resized(struct terminal *terminal);

/* The terminal's size; zeros where there is none. */
void terminal_size(uint16_t *ret_columns, uint16_t *ret_rows);

#endif
