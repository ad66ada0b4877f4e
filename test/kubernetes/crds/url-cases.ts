import type { Edits } from './full-objects.ts';
import type { RuleCase } from './rule-case.ts';

const harmlessQueries = ['p=b2c_1_signup', 'a=b&tenant=key', 'keys', 'countrycode=cn&author=me', 'encoding=utf-8', 'a%20b=%74oken'];
const tellingQueries = [
  'token=a',
  'TOKEN',
  'a=b&access_token=c',
  'a&apiKey=b',
  'subscription-key=a',
  'client_secret=a',
  'password=a',
  'pwd=a',
  'X-Amz-Signature=a',
  'sv=1;sig=a',
  'auth=a',
  'code=a',
  'jwt=a',
  '%74oken=a',
  'next=http://a?key=b',
];

function httpUrls(at: string, around: Edits): readonly RuleCase[] {
  const values = (...all: readonly string[]): readonly Edits[] => all.map((value) => ({ ...around, [at]: value }));
  return [
    {
      kind: 'GatewayPool',
      at,
      message: 'must be a URL',
      accepted: values('http://auth', 'https://auth.example.com:8443/check?a=b', 'http://[fd00::1]:80/', 'http://auth?a'),
      refused: values(
        'auth',
        'ftp://auth',
        'https://',
        'https:///path',
        'https://auth/a b',
        ' https://auth',
        'https://user:word@auth/',
        'https://user@auth',
        'https://auth:65536/',
        'https://auth/#part',
        'https://*.example',
      ),
    },
    {
      kind: 'GatewayPool',
      at,
      message: 'the host of this URL ends like an IP address',
      accepted: values('http://10.0.0.1:80/', 'http://[::1]', 'http://10.0.0.1.example'),
      refused: values('http://999.1.1.1', 'http://10.0.0', 'http://auth.0x1/', 'http://[1::2::3]/'),
    },
    {
      kind: 'GatewayPool',
      at,
      message: 'the query of this URL has a parameter for a credential',
      accepted: values(...harmlessQueries.map((query) => `https://auth/check?${query}`), 'https://token.example/secret/key'),
      refused: values(...tellingQueries.map((query) => `https://auth?${query}`), 'https://auth/a;token=b'),
    },
  ];
}

function urlTemplate(message: string, accepted: readonly string[], refused: readonly string[]): RuleCase {
  const edits = (templates: readonly string[]): readonly Edits[] =>
    templates.map((template) => ({
      'spec.exposure': { type: 'URLTemplate', urlTemplate: template },
    }));
  return {
    kind: 'GatewayPool',
    at: 'spec.exposure.urlTemplate',
    message,
    accepted: edits(accepted),
    refused: edits(refused),
  };
}

/** The rules of a pool's URLs. */
export const urlCases: readonly RuleCase[] = [
  ...httpUrls('spec.auth.webhookURL', {}),
  ...httpUrls('spec.auth.jwksURL', { 'spec.auth.webhookURL': undefined }),
  urlTemplate(
    'urlTemplate must begin with wss://',
    ['wss://{pod}.live.example.com/', 'ws://edge/{pod}/'],
    ['wss://live.example.com', 'https://{pod}', '{pod}', 'wss://{pod} '],
  ),
  urlTemplate(
    "urlTemplate must be a URL with a pod's name",
    [
      'ws://{pod}',
      'wss://{pod}:443',
      'wss://live-{pod}.example.com:65535/{pod}?room=%20a&b[]=c',
      'ws://[fd00::1]:8080/{pod}',
      'wss://xn--fiq228c.example/弹幕/{pod}',
    ],
    [
      'wss://{pod}.example.com:{port}/',
      'wss://{node}.example.com/{pod}',
      'wss://live.example.com/{port}/{pod}',
      'wss://live.example.com:65536/{pod}',
      'wss://live.example.com:99999/{pod}',
      'wss://live.example.com:/{pod}',
      'wss://<host>/{pod}',
      'wss://a%b/{pod}',
      'wss://[x]/{pod}',
      'wss://[{pod}]/',
      'wss:///{pod}',
      'wss://x..y/{pod}',
      'wss://user:word@live.example.com/{pod}',
      'wss://live.example.com/{pod}#here',
      'wss://{pod}|x/',
      String.raw`wss://live.example.com\{pod}`,
      'wss://弹幕.example/{pod}',
    ],
  ),
  urlTemplate(
    'the host of urlTemplate ends like an IP address',
    ['ws://10.0.0.1/{pod}', 'ws://255.255.255.255:80/{pod}', 'ws://[::1]/{pod}', 'ws://1{pod}', 'ws://10.0.0.1.example/{pod}'],
    ['1.2.3.4.5', '999.1.1.1', '{pod}.1', '{pod}.0x1', '10.0.0', '[1::2::3]', '[:]', '1.2.3.4.5:80'].map((host) => `ws://${host}/{pod}`),
  ),
  urlTemplate(
    'the query of urlTemplate has a parameter for a credential',
    harmlessQueries.map((query) => `wss://edge/{pod}?${query}`),
    tellingQueries.map((query) => `wss://edge/{pod}?${query}`),
  ),
  urlTemplate(
    'urlTemplate must make URLs of at most',
    [`ws://edge/${'{pod}'.repeat(39)}${'a'.repeat(49)}`],
    [`ws://edge/${'{pod}'.repeat(39)}${'a'.repeat(50)}`],
  ),
];
