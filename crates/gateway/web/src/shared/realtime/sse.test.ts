import { expect, it } from 'vitest';
import { EventParser } from './sse';

it('events are whole in whatever pieces they arrive', () => {
  const stream = 'id: 7-1\nevent: change\ndata: {"a":1}\n\n: still here\n\ndata: x\r\ndata: y\r\n\r\n';
  const expected = [
    { id: '7-1', event: 'change', data: '{"a":1}' },
    { id: undefined, event: 'message', data: 'x\ny' },
  ];
  expect(new EventParser().push(stream)).toEqual(expected);
  const parser = new EventParser();
  expect([...stream].flatMap((letter) => parser.push(letter))).toEqual(expected);
});

it('an id without data tells from where to go on', () => {
  expect(new EventParser().push('id: 7-0\n\n')).toEqual([{ id: '7-0', event: 'message', data: '' }]);
});

it('a comment is no event', () => {
  expect(new EventParser().push(':\n\n: keep alive\n\n')).toEqual([]);
});
