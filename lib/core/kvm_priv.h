/* SPDX-License-Identifier: MIT */
/* kvm_priv.h - /dev/kvm: opening it, and what it must offer. */
#ifndef CORE_KVM_PRIV_H
#define CORE_KVM_PRIV_H

#include <stdbool.h>
#include <stddef.h>

/* Open /dev/kvm, or duplicate @given when it is > 0. The descriptor is the caller's. */
int vmm__kvm_open(int given, int *ret_fd);

/*
 * Whether all that a machine needs is there; with @bare, what memory and vCPUs
 * alone need. -ENODEV with words that name what is missing.
 */
int vmm__kvm_check(int kvm_fd, bool bare);

/* A capability's value; 0 when there is none such. */
int vmm__kvm_cap(int kvm_fd, int cap);

/* A new VM of the architecture's @type. KVM_CREATE_VM may be interrupted by a signal of the application's. */
int vmm__kvm_create_vm(int kvm_fd, unsigned long type, int *ret_vm_fd);

#endif
