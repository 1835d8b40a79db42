/* SPDX-License-Identifier: MIT */
/*
 * session_run.c - gdb lets threads go on.
 */
#include <errno.h>
#include <string.h>

#include "debug/session_parts_priv.h"

/* ---- going on ---- */

static void run(struct session *s)
{
	int r = s->ops->run(s->target, s->actions);

	if (r < 0)
		vmm__session_result(s, r);
	else
		s->running = true;
}

static bool action_of(char c, uint8_t *ret_action)
{
	*ret_action = c == 's' || c == 'S' ? THREAD_STEPS : THREAD_RUNS;
	return c != '\0' && strchr("cCsS", c);
}

/* vCont;action[:thread];…: the first that names a thread counts for it. */
void vmm__session_vcont(struct session *s, const char *p)
{
	bool named[THREADS_MAX] = { false };
	uint64_t signal;
	uint8_t action;
	uint32_t thread = 0;

	memset(s->actions, THREAD_STAYS, sizeof(s->actions));
	while (*p == ';') {
		bool signalled = p[1] == 'C' || p[1] == 'S', all = true;

		if (!action_of(p[1], &action)) {
			vmm__session_result(s, -EINVAL);
			return;
		}
		p += 2;
		if (signalled && !vmm__session_hex(&p, &signal))
			break;
		if (*p == ':') {
			p++;
			all = strncmp(p, "-1", 2) == 0;
			if (!vmm__session_thread(s, &p, &thread))
				break;
		}
		for (uint32_t i = 0; i < s->nr_threads; i++) {
			if ((all || i == thread) && !named[i]) {
				named[i] = true;
				s->actions[i] = action;
			}
		}
	}
	if (*p != '\0' || !memchr(named, true, sizeof(named)))
		vmm__session_result(s, -EINVAL);
	else
		run(s);
}

/* c, s, C, S: one thread steps, or all run. An address to go on from is not supported. */
void vmm__session_go_on(struct session *s, const char *p)
{
	uint8_t action;

	(void)action_of(p[0], &action);
	memset(s->actions, THREAD_RUNS, sizeof(s->actions));
	if (action == THREAD_STEPS)
		s->actions[s->thread] = THREAD_STEPS;
	run(s);
}
