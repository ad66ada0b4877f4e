/**
 * Variables by which Node, the product and terminals change what a program does or shows: `CI` alone takes a
 * terminal's colours away, and a `SHELL` decides in which order a command of `script` sees its variables.
 */
const deciding = new Set(['CI', 'NO_COLOR', 'FORCE_COLOR', 'TERM', 'SHELL', 'KUBECONFIG', 'NODE_OPTIONS']);

/** The environment for a program under test: of this process, without what depends on the person who runs the tests. */
export function neutralEnvironment(): Readonly<Record<string, string>> {
  const isDeciding = (name: string): boolean => deciding.has(name) || /^(?:BARRAGE|OTEL)_/.test(name);
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value = '']) => (isDeciding(name) ? [] : [[name, value]])));
}
