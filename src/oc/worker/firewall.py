"""What sandboxes may reach: the outside, and nothing of the host or its neighbours. One static table for all of them.

Host ends of sandboxes' cables are named `<instance>-<slot>`, so rules match by wildcard and no rule changes when a
sandbox comes or goes. An accept here only ends this table: the administrator's own tables may still drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from string import Template

# RFC 6890: special purpose, private and reserved; the documentation networks are left out, nothing lives there. Last:
# Azure's host agent, reachable from every virtual machine at a public address.
FORBIDDEN = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
)
EXPLICIT = ("169.254.169.253", 3128)  # where programs look for the egress proxy (contract 2.11)
METADATA = ("169.254.169.254", 80)  # and for the metadata service (contract 2.1.16)
EXPLICIT_PORT, TRANSPARENT_PORT, METADATA_PORT = 3128, 3129, 3130  # where these listen, at the gateway's address
CONNECTIONS = 4096  # tracked per sandbox at once: the host's table is shared by all
DNS_PER_SECOND = 200  # queries per sandbox
CALLS_PER_SECOND = 50  # connections to the metadata service per sandbox


# prerouting: no IPv6; a source address must be that of the cable it comes in by (strict reverse path, of this table's
# own as the sysctl is the administrator's). input: DNS, and answers to what the host began; the rate counts before the
# state, as a second question from one port is "established". output: only root may connect to sandboxes, where agents
# listen; packets that have no socket, such as resets, have no owner and pass, as do answers of the proxy, which is not
# root. detour: all TCP of a governed sandbox goes to the proxy, whatever its address; forward: nothing of it goes on.
RULES = Template("""
    set forbidden { type ipv4_addr; flags interval; elements = { $forbidden } }
    set governed { type ipv4_addr; $governed }
    set connections { type ipv4_addr; size 65536; flags dynamic; }
    set questions { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 1m; }
    set calls { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 1m; }

    chain prerouting {
        type filter hook prerouting priority raw; policy accept;
        iifname $ours meta nfproto != ipv4 drop
        iifname $ours fib saddr . iif oif missing drop
    }
    chain detour {
        type nat hook prerouting priority dstnat; policy accept;
        iifname != $ours accept
        ip daddr $metadata_address tcp dport $metadata_well_known dnat ip to $gateway:$metadata
        ip saddr != @governed accept
        ip daddr $explicit_address tcp dport $explicit_well_known dnat ip to $gateway:$explicit
        ip daddr $gateway tcp dport 53 accept
        meta l4proto tcp dnat ip to $gateway:$transparent
    }
    chain input {
        type filter hook input priority filter; policy accept;
        iifname != $ours accept
        udp dport 53 update @questions { ip saddr limit rate over $rate/second burst $rate packets } drop
        ct state established,related accept
        ct status dnat ip daddr $gateway tcp dport $metadata update @calls $calls drop
        ct status dnat ip daddr $gateway tcp dport $metadata accept
        ct status dnat ip daddr $gateway ip saddr @governed tcp dport { $explicit, $transparent } accept
        ip daddr $gateway udp dport 53 accept
        ip daddr $gateway tcp dport 53 accept
        drop
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname $ours oifname $ours drop
        oifname $ours ct state established,related accept
        oifname $ours drop
        iifname != $ours accept
        ip saddr @governed drop
        tcp flags syn tcp option maxseg size set rt mtu
        ct state established,related accept
        ip daddr @forbidden drop
        add @connections { ip saddr ct count over $connections } drop
    }
    chain output {
        type filter hook output priority filter; policy accept;
        oifname $ours meta skuid != 0 ct direction original drop
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr $network oifname != $ours masquerade
    }
""")


def table(instance: str) -> str:
    return f"opencomputer_{instance}"


def rules(instance: str, network: IPv4Network, governed: Sequence[str] = ()) -> str:
    """The body of the table (nft(8)); `governed`: addresses whose sandboxes are."""
    return RULES.substitute(
        ours=f'"{instance}-*"',
        network=network,
        gateway=network[1],
        forbidden=", ".join(FORBIDDEN),
        connections=CONNECTIONS,
        rate=DNS_PER_SECOND,
        governed=f"elements = {{ {', '.join(governed)} }}" if governed else "",
        explicit_address=EXPLICIT[0],
        explicit_well_known=EXPLICIT[1],
        explicit=EXPLICIT_PORT,
        transparent=TRANSPARENT_PORT,
        metadata_address=METADATA[0],
        metadata_well_known=METADATA[1],
        metadata=METADATA_PORT,
        calls=f"{{ ip saddr limit rate over {CALLS_PER_SECOND}/second burst {CALLS_PER_SECOND} packets }}",
    )
