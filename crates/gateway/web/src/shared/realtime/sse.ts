/** One event of a stream of server-sent events. */
export type ServerEvent = { id: string | undefined; event: string; data: string };

/**
 * Takes a stream of server-sent events apart (HTML standard, 9.2.6), in whatever pieces it arrives. The browser's own
 * EventSource tells neither why a stream was refused nor lets a new one go on where the last one ended.
 */
export class EventParser {
  #rest = '';
  #data: string[] = [];
  #event = '';
  #id: string | undefined;

  /** The events that are complete with this piece. */
  push(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const text = this.#rest + piece;
    // A carriage return at the very end may be half of a line's end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        // An id alone, without data, is remembered too: it says from where to go on.
        if (this.#data.length > 0 || this.#id !== undefined) {
          events.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
        }
        this.#data = [];
        this.#event = '';
        this.#id = undefined;
        continue;
      }
      if (line.startsWith(':')) continue;
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') this.#data.push(value);
      else if (field === 'event') this.#event = value;
      else if (field === 'id' && !value.includes('\0')) this.#id = value;
    }
    return events;
  }
}
