import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OperationsPage } from './operations-page.ts';

/** The operations page of a process whose port listens before the page exists. */
export class LatePage {
  page: OperationsPage | undefined;

  /** Answers a request for one of the page's paths; `false` for any other path, and before there is a page. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    return this.page?.answer(request, response) === true;
  }

  /** Ends the page, if there is one. */
  close(): void {
    this.page?.close();
  }
}
