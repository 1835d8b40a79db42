/* SPDX-License-Identifier: MIT */
/* consoles.c - the last output of a guest's consoles: kept from when each is added to the end. */
#include "backends/console/console_priv.h"
#include "core/vm_priv.h"

void vmm__vm_add_tail(struct vmm *vm, struct console_tail *tail)
{
	pthread_mutex_lock(&vm->lock);
	tail->next = vm->consoles;
	vm->consoles = tail;
	vmm__console_tail_listen(tail, vm->heard, vm->supervision);
	pthread_mutex_unlock(&vm->lock);
}

void vmm__consoles_finish(struct vmm *vm)
{
	while (vm->consoles) {
		struct console_tail *tail = vm->consoles;

		vm->consoles = tail->next;
		vmm__console_tail_free(tail);
	}
}
