// What the keys do in the timeline view.

export type Action =
  | 'play'
  | 'back'
  | 'forward'
  | 'frameBack'
  | 'frameForward'
  | 'tenBack'
  | 'tenForward'
  | 'previousFind'
  | 'nextFind'
  | 'accept'
  | 'reject'
  | 'draw'
  | 'undo'
  | 'help'
  | { part: number }

export const KEYS: [string, Action, string][] = [
  ['Space', 'play', 'play and pause'],
  ['j', 'back', 'play backwards'],
  ['k', 'play', 'play and pause'],
  ['l', 'forward', 'play forwards'],
  [',', 'frameBack', 'one frame back'],
  ['.', 'frameForward', 'one frame on'],
  ['ArrowLeft', 'frameBack', 'one frame back'],
  ['ArrowRight', 'frameForward', 'one frame on'],
  ['Shift+ArrowLeft', 'tenBack', 'ten frames back'],
  ['Shift+ArrowRight', 'tenForward', 'ten frames on'],
  ['[', 'previousFind', 'to the frame before on which the stage found something; in a review to the one before'],
  [']', 'nextFind', 'to the next such frame; in a review to the next one'],
  ['a', 'accept', 'in a review: right'],
  ['x', 'reject', 'in a review: wrong'],
  ['d', 'draw', 'in a review: draw a mark that was missed'],
  ['Ctrl+z', 'undo', 'take the last step back'],
  ['?', 'help', 'this list'],
]

interface Pressed {
  key: string
  code: string
  shiftKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

/** What a key does; null: nothing. `0` to `9` go to that tenth of the timeline. */
export function actionOf(pressed: Pressed): Action | null {
  if (pressed.altKey) return null
  if (pressed.ctrlKey || pressed.metaKey) return pressed.key.toLowerCase() === 'z' && !pressed.shiftKey ? 'undo' : null
  if (/^[0-9]$/.test(pressed.key)) return { part: Number(pressed.key) / 10 }
  const name = pressed.code === 'Space' ? 'Space' : pressed.key
  const shifted = pressed.shiftKey && name.startsWith('Arrow') ? `Shift+${name}` : name.length === 1 ? name.toLowerCase() : name
  return KEYS.find(([key]) => key === shifted)?.[1] ?? null
}

/** Whether what has the focus takes keys itself. */
export function takesKeys(element: Element | null): boolean {
  if (!(element instanceof HTMLElement)) return false
  if (element.isContentEditable || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT') return true
  return element instanceof HTMLInputElement && element.type !== 'checkbox'
}
