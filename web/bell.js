/** A short, soft sound for a new message, and whether the reader wants it. */

const KEPT = 'shopbell.sound';
const NOTES_HZ = [660, 880];
const NOTE_S = 0.12;
/** In a busy shop one ring stands for all that comes meanwhile. */
const EVERY_MS = 1_500;

/** @type {AudioContext|null} */ let audio = null;
let rangAt = -EVERY_MS;

export function isOn() {
  try { return localStorage.getItem(KEPT) !== 'off'; } catch { return true; }
}

export function turn(on) {
  try { localStorage.setItem(KEPT, on ? 'on' : 'off'); } catch { /* for this page only */ }
}

/** Makes ready what rings, when there is time: asking for the machine's sound can hold a page up for a tenth of a second. */
export function prepare() {
  if (audio || !isOn() || !navigator.userActivation?.hasBeenActive) return;
  (globalThis.requestIdleCallback ?? setTimeout)(() => { audio ??= silent(); });
}

/** It is let go of between two rings. */
function silent() {
  const context = new AudioContext();
  context.suspend();
  return context;
}

/** Silent where the browser has not been touched yet: it would refuse. */
export function ring() {
  const now = performance.now();
  if (!isOn() || now - rangAt < EVERY_MS || !navigator.userActivation?.hasBeenActive) return;
  rangAt = now;
  audio ??= silent();
  audio.resume();
  NOTES_HZ.forEach((hz, at) => {
    const tone = new OscillatorNode(audio, { frequency: hz });
    const volume = new GainNode(audio, { gain: 0 });
    const from = audio.currentTime + at * NOTE_S;
    volume.gain.setValueAtTime(0.08, from);
    volume.gain.exponentialRampToValueAtTime(0.001, from + NOTE_S * 2);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + NOTE_S * 2);
    if (at === NOTES_HZ.length - 1) tone.onended = () => audio?.suspend();
  });
}
