/** The name of a LINKTYPE_… number as tcpdump prints it (`EN10MB`, `LINUX_SLL2`), or `LINKTYPE_N`. */
export function linkTypeName(linkType: number): string {
  return names.get(linkType) ?? `LINKTYPE_${linkType}`;
}

const names: ReadonlyMap<number, string> = new Map([
  [0, 'NULL'],
  [1, 'EN10MB'],
  [7, 'ARCNET'],
  [9, 'PPP'],
  [12, 'RAW'],
  [14, 'RAW'],
  [50, 'PPP_SERIAL'],
  [51, 'PPP_ETHER'],
  [101, 'RAW'],
  [104, 'C_HDLC'],
  [105, 'IEEE802_11'],
  [108, 'LOOP'],
  [113, 'LINUX_SLL'],
  [127, 'IEEE802_11_RADIO'],
  [129, 'ARCNET_LINUX'],
  [228, 'IPV4'],
  [229, 'IPV6'],
  [242, 'IPOIB'],
  [253, 'NETLINK'],
  [276, 'LINUX_SLL2'],
]);
