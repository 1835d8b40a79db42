#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154
#
# udhcpc.sh - what the guest's udhcpc does with a lease: address, default route, name servers.
case $1 in
deconfig)
	ip addr flush dev "$interface"
	ip link set "$interface" up;;
bound|renew)
	ip addr replace "$ip/${mask:-24}" dev "$interface"
	for r in $router; do ip route replace default via "$r" dev "$interface"; break; done
	: > /etc/resolv.conf
	for d in $dns; do echo "nameserver $d" >> /etc/resolv.conf; done;;
esac
