/** What a person is told who started the all-in-one process. */
export interface WelcomeFacts {
  readonly gatewayPort: number;
  readonly publisherPort: number;
  readonly adminPort: number;
  /** Whether the gateway's port serves the demo's pages. */
  readonly hasDemo: boolean;
  /** Whether everybody who reaches the pages may publish by them. */
  readonly mayPagesPublish: boolean;
  /** Whether somebody who reaches the gateway also reaches the operations page. */
  readonly hasOperations: boolean;
  /** Whether clients and backends come by TLS. */
  readonly hasTls: boolean;
  /** Whether the admin port is a port of its own, which never has TLS. */
  readonly hasOwnAdminPort: boolean;
  /** The key that this process made for itself. */
  readonly key?: string;
  /** Whether the settings have keys. They are told nowhere. */
  readonly hasKeys: boolean;
}

/** The text on standard output of an all-in-one process that has begun. It is the only place that tells the key. */
export function welcome(facts: WelcomeFacts): string {
  const { gatewayPort, publisherPort, adminPort, hasDemo, mayPagesPublish, hasOperations, hasTls, hasOwnAdminPort } = facts;
  const { key, hasKeys } = facts;
  const [http, ws] = hasTls ? ['https', 'wss'] : ['http', 'ws'];
  const admin = hasOwnAdminPort ? 'http' : http;
  const lines = [
    ...(hasDemo ? [`watch      ${http}://localhost:${gatewayPort}/`] : []),
    ...(hasDemo && mayPagesPublish ? [`emit       ${http}://localhost:${gatewayPort}/emit`] : []),
    `clients    ${ws}://localhost:${gatewayPort}/        (plain protocol, or subprotocol barrage.v1)`,
    `events     ${http}://localhost:${gatewayPort}/v1/stream?channel=video:1`,
    `publish    ${http}://localhost:${publisherPort}/v1/mesh/publish`,
    ...(hasOperations ? [`operations ${admin}://localhost:${adminPort}/ops`] : []),
    `metrics    ${admin}://localhost:${adminPort}/metrics`,
  ];
  const authorization = key === undefined && !hasKeys ? '' : ` -H 'authorization: Bearer ${key ?? 'KEY'}'`;
  const whichKey = key === undefined && hasKeys ? ', with a key of BARRAGE_API_KEYS in place of KEY' : '';
  const keyLines =
    key === undefined
      ? ''
      : `
API key    ${key}
  It was made for this start, is told only here, and ends with the process. BARRAGE_API_KEYS sets keys that stay.
`;
  const trust = hasTls ? '\nIf an authority of your own signed the certificate, add --cacert FILE with its file.\n' : '';
  return `Barrage runs: gateway, publisher${hasDemo ? ' and demo' : ''} in one process.

${lines.map((line) => `  ${line}\n`).join('')}${keyLines}
Paste this${hasDemo ? ' while the page is open' : ''}${whichKey}:

  curl ${http}://localhost:${publisherPort}/v1/mesh/publish${authorization} -H 'content-type: application/json' \\
    -d '{"c":"video:1","d":"{\\"text\\":\\"Hello, 弹幕!\\",\\"mode\\":\\"scroll\\",\\"size\\":36,\\"color\\":\\"#ffff00\\"}"}'
${trust}
Ctrl-C ends it.
`;
}
