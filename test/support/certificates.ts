import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and the authority that signed it, as PEM files in a temporary folder. */
export class Certificates {
  readonly #folder: string;
  readonly keyFile: string;
  readonly certificateFile: string;
  readonly caFile: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.keyFile = join(folder, 'server.key');
    this.certificateFile = join(folder, 'server.crt');
    this.caFile = join(folder, 'ca.crt');
  }

  /** @param subject whom the certificate is for: `IP:127.0.0.1`, `DNS:redis` */
  static async make(subject = 'IP:127.0.0.1'): Promise<Certificates> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-certificates-'));
    const made = new Certificates(folder);
    const caKey = join(folder, 'ca.key');
    const request = join(folder, 'server.csr');
    const extensions = join(folder, 'extensions');
    await writeFile(extensions, `subjectAltName=${subject}\n`);
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await run('openssl', ['req', '-x509', ...newKey, '-keyout', caKey, '-out', made.caFile, '-days', '2', '-subj', '/CN=test authority']);
    await run('openssl', ['req', ...newKey, '-keyout', made.keyFile, '-out', request, '-subj', '/CN=redis']);
    const authority = ['-CA', made.caFile, '-CAkey', caKey, '-CAcreateserial'];
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      request,
      ...authority,
      '-out',
      made.certificateFile,
      '-days',
      '2',
      '-extfile',
      extensions,
    ]);
    return made;
  }

  async ca(): Promise<string> {
    return readFile(this.caFile, 'utf8');
  }

  async dispose(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
