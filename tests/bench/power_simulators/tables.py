"""What switches of each house show of a phone on their port: neighbours and stations, in the form of manuals and recordings."""

from __future__ import annotations

MAC, STRANGER = "c8:1f:ea:83:e8:5a", "02:00:00:00:00:99"


def _dotted(mac: str) -> str:
    digits = mac.replace(":", "")
    return ".".join(digits[place : place + 4] for place in (0, 4, 8))


def _halves(mac: str) -> str:
    digits = mac.replace(":", "")
    return f"{digits[:6]}-{digits[6:]}"


CISCO_NEIGHBOURS = f"""
------------------------------------------------
Local Intf: Gi1/0/2
Chassis id: 192.0.2.102
Port id: {_dotted(MAC)}
Port Description - not advertised
System Name: AVX83E85A

System Description - not advertised

Time remaining: 101 seconds
System Capabilities: B,T
Enabled Capabilities: B,T
Management Addresses:
    IP: 192.0.2.102
Auto Negotiation - supported, enabled
Media Attachment Unit type: 30
Vlan ID: - not advertised

MED Information:

    MED Codes:
          (NP) Network Policy, (LI) Location Identification
          (PS) Power Source Entity, (PD) Power Device
          (IN) Inventory

    H/W revision: J179D02A
    F/W revision: 4.1.3.0.6
    S/W revision: 4.1.3.0.6
    Serial number: 19WZ17900002
    Manufacturer: Avaya
    Model: J179
    Capabilities: NP, PD, IN
    Device type: Endpoint Class III
    Location - not advertised

------------------------------------------------
Local Intf: Gi1/0/24
Chassis id: 0011.2233.4455
Port id: Gi0/1
System Name: core

Time remaining: 99 seconds
Vlan ID: 1

Total entries displayed: 2
"""

CISCO_STATIONS = f"""          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
 All    0100.0ccc.cccc    STATIC      CPU
  30    {_dotted(MAC)}    DYNAMIC     Gi1/0/2
  30    {_dotted(STRANGER)}    DYNAMIC     Gi1/0/24
Total Mac Addresses for this criterion: 3
"""

HP_NEIGHBOURS = f"""
 LLDP Remote Device Information Detail

  Local Port   : 2
  ChassisType  : network-address
  ChassisId    : 192.0.2.102
  PortType     : mac-address
  PortId       : {MAC.replace(":", " ")}
  SysName      : AVX83E85A
  System Descr :
  PortDescr    :

  System Capabilities Supported  : bridge, telephone
  System Capabilities Enabled    : bridge, telephone

  Remote Management Address
     Type    : ipv4
     Address : 192.0.2.102

  MED Information Detail
    EndpointClass          :Class3
"""

HP_STATIONS = f"""
 Status and Counters - Port Address Table

  MAC Address   Port  VLAN
  ------------- ----- ----
  {_halves(MAC)} 2     30
  {_halves(STRANGER)} 24    30
"""

CX_NEIGHBOURS = f"""
Port                           : 1/1/2
Neighbor Entries               : 1
Neighbor Chassis-Name          : AVX83E85A
Neighbor Chassis-Description   :
Neighbor Chassis-ID            : 192.0.2.102
Neighbor Management-Address    : 192.0.2.102
Chassis Capabilities Available : Bridge, Telephone
Chassis Capabilities Enabled   : Bridge, Telephone
Neighbor Port-ID               : {MAC}
Neighbor Port-Desc             :
TTL                            : 120
"""

CX_STATIONS = f"""MAC age-time            : 300 seconds
Number of MAC addresses : 2

MAC Address          VLAN     Type                      Port
--------------------------------------------------------------
{MAC}    30       dynamic                   1/1/2
{STRANGER}    30       dynamic                   1/1/24
"""

JUNOS_NEIGHBOURS = f"""LLDP Neighbor Information:
Local Information:
Index: 7 Time to live: 120 Time mark: Fri Nov 27 10:11:12 2026 Age: 12 secs
Local Interface    : ge-0/0/2
Parent Interface   : -
Local Port ID      : 510
Ageout Count       : 0

Neighbour Information:
Chassis type       : Network address
Chassis ID         : 192.0.2.102
Port type          : Mac address
Port ID            : {MAC}
System name        : AVX83E85A

Media endpoint class: Class III Device
MED Hardware revision    : J179D02A
MED Firmware revision    : 4.1.3.0.6
MED Software revision    : 4.1.3.0.6
MED Serial number        : 19WZ17900002
MED Manufacturer name    : Avaya
MED Model name           : J179
"""

JUNOS_STATIONS = f"""
MAC flags (S - static MAC, D - dynamic MAC, L - locally learned, P - Persistent static
           SE - statistics enabled, NM - non configured MAC, R - remote PE MAC, O - ovsdb MAC)

Ethernet switching table : 2 entries, 2 learned
Routing instance : default-switch
   Vlan                MAC                 MAC      Age    Logical                NH        RTR
   name                address             flags           interface              Index     ID
   phones              {MAC}   D             -   ge-0/0/2.0             0         0
   phones              {STRANGER}   D             -   ge-0/0/24.0            0         0
"""

ERS_NEIGHBOURS = f"""
-------------------------------------------------------------------------------
                                 LLDP neighbor
-------------------------------------------------------------------------------
Port: 1/2   Index: 5           Time: 0 days, 00:01:37
        ChassisId: Network address  IPv4  192.0.2.102
        PortId:    MAC address      {MAC}
        SysName:   AVX83E85A
        SysCap:    TB / TB     (Supported/Enabled)
        HWRev:     J179D02A
        FWRev:     4.1.3.0.6
        SWRev:     4.1.3.0.6
        SerialNumber: 19WZ17900002
        ManufName: Avaya
        ModelName: J179
-------------------------------------------------------------------------------
"""

ERS_STATIONS = f"""Mac Address Table Aging Time:  300
Number of addresses:   2

   MAC Address    Vid  Type     Source
----------------- ---- ------- -----------
{MAC.upper().replace(":", "-")}  30   Dynamic Port: 1/2
{STRANGER.upper().replace(":", "-")}  30   Dynamic Port: 1/24
"""

MIKROTIK_NEIGHBOURS = f""" 0 interface=ether2 address=192.0.2.102 mac-address={MAC.upper()} identity="AVX83E85A" \
platform="" version="" unpack=none age=12s interface-name="" system-caps=bridge,telephone system-caps-enabled=bridge,telephone
"""

MIKROTIK_STATIONS = f""" 0  D   mac-address={MAC.upper()} vid=1 interface=ether2 bridge=bridge on-interface=ether2
 1  D   mac-address={STRANGER.upper()} vid=1 interface=ether24 bridge=bridge on-interface=ether24
 2  DL  mac-address=02:00:00:00:00:01 interface=bridge bridge=bridge on-interface=bridge
"""

SHOWN = {
    "cisco-ios": (CISCO_NEIGHBOURS, CISCO_STATIONS, "Gi1/0/2", "Gi1/0/24", True),
    "arubaos-switch": (HP_NEIGHBOURS, HP_STATIONS, "2", "24", False),
    "aruba-cx": (CX_NEIGHBOURS, CX_STATIONS, "1/1/2", "1/1/24", False),
    "junos": (JUNOS_NEIGHBOURS, JUNOS_STATIONS, "ge-0/0/2", "ge-0/0/24", True),
    "extreme-ers": (ERS_NEIGHBOURS, ERS_STATIONS, "1/2", "1/24", True),
    "mikrotik": (MIKROTIK_NEIGHBOURS, MIKROTIK_STATIONS, "ether2", "ether24", False),
}
"""By dialect: neighbours, stations, the phone's port, the stranger's, and whether the inventory is shown."""
