/** Longest event that a stream may bring, in characters: twice the largest batch of a gateway, as base64. */
const eventLengthMax = 16_777_216;

/** Reads a stream of server-sent events: the data of each. Names, ids and comments are not needed here. Pure. */
export class EventReader {
  #rest = '';
  #data: string[] = [];
  #length = 0;

  /**
   * Takes the next part of the stream.
   * @returns the data of the events that are whole now; `undefined` when an event is longer than may be
   */
  push(text: string): readonly string[] | undefined {
    const events: string[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') this.#take(line);
      else if (this.#data.length > 0) {
        events.push(this.#data.join('\n'));
        this.#data = [];
        this.#length = 0;
      }
    }
    return this.#length + this.#rest.length > eventLengthMax ? undefined : events;
  }

  #take(line: string): void {
    const data = /^data(?:: ?|$)(.*)$/s.exec(line)?.[1];
    if (data === undefined) return;
    this.#data.push(data);
    this.#length += data.length;
  }
}
