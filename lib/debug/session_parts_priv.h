/* SPDX-License-Identifier: MIT */
/*
 * session_parts_priv.h - what the files of a session call in each other.
 */
#ifndef DEBUG_SESSION_PARTS_PRIV_H
#define DEBUG_SESSION_PARTS_PRIV_H

#include "debug/session_priv.h"

/*
 * Answers: words, a result (OK or E and the errno), how the target stopped. Numbers, in
 * hexadecimal, at *p, which is moved behind them: any, one that the character @then follows,
 * and a thread's (from 1 on in the packet, from 0 on here; 0 and -1 in it stand for any).
 */
void vmm__session_say(struct session *s, const char *text);
void vmm__session_result(struct session *s, int r);
void vmm__session_stop(struct session *s);
bool vmm__session_hex(const char **p, uint64_t *ret_value);
bool vmm__session_hex_then(const char **p, uint64_t *ret_value, char then);
bool vmm__session_thread(struct session *s, const char **p, uint32_t *ret_thread);

/* Registers and memory: @p is the command less its letter. */
void vmm__session_read_all_regs(struct session *s);
void vmm__session_write_all_regs(struct session *s, const char *p);
void vmm__session_read_reg(struct session *s, const char *p);
void vmm__session_write_reg(struct session *s, const char *p);
void vmm__session_read_memory(struct session *s, const char *p);
void vmm__session_write_memory(struct session *s, const char *p);
void vmm__session_write_binary(struct session *s, const char *p);
void vmm__session_breakpoint(struct session *s, const char *p, bool insert);

/* Going on: @p is the command, of vCont what follows the word. */
void vmm__session_vcont(struct session *s, const char *p);
void vmm__session_go_on(struct session *s, const char *p);

/* Questions: @p is the command. */
void vmm__session_question(struct session *s, const char *p);

#endif
