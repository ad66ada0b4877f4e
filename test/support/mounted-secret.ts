import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Certificates } from './certificates.ts';

/** A kubernetes.io/tls Secret as the kubelet mounts it: its files lead through one link that is exchanged. */
export class MountedSecret {
  readonly #folder: string;
  #versions = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounts it for as long as the test lasts. */
  static async of(certificates: Certificates): Promise<MountedSecret> {
    const secret = new MountedSecret(await mkdtemp(join(tmpdir(), 'barrage-secret-')));
    onTestFinished(() => rm(secret.#folder, { recursive: true, force: true }));
    await secret.hold(certificates);
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(secret.#folder, name));
    return secret;
  }

  get certFile(): string {
    return join(this.#folder, 'tls.crt');
  }

  get keyFile(): string {
    return join(this.#folder, 'tls.key');
  }

  /** The settings of a process that reads it. */
  get settings(): Readonly<Record<string, string>> {
    return { BARRAGE_TLS_CERT_FILE: this.certFile, BARRAGE_TLS_KEY_FILE: this.keyFile };
  }

  /** Changes the Secret. @param keyOf whose key it has, if not the certificate's own */
  async hold(certificates: Certificates, keyOf = certificates): Promise<void> {
    await this.write(await readFile(certificates.certificateFile, 'utf8'), await readFile(keyOf.keyFile, 'utf8'));
  }

  /** Puts one more file into the folder. */
  async add(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, name), text);
  }

  async write(cert: string, key: string): Promise<void> {
    const version = `..version-${++this.#versions}`;
    await mkdir(join(this.#folder, version));
    await writeFile(join(this.#folder, version, 'tls.crt'), cert);
    await writeFile(join(this.#folder, version, 'tls.key'), key);
    await symlink(version, join(this.#folder, '..data_tmp'));
    await rename(join(this.#folder, '..data_tmp'), join(this.#folder, '..data'));
  }
}
