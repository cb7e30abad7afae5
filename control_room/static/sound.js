// The page's voice. A browser stays mute until somebody has touched the page, and says nothing about it: so we do.
import { signal } from "./html.js";

/** "off": nobody enabled it; "on": it sounds; "stuck": it was on and the sound clock stands still. */
export const sound = signal("off");

let context = null;
let lastTime = -1;

/** Switch the sound on. Must be called from a click or a key: only those count as consent. */
export async function enable() {
  if (!context || context.state === "closed" || sound.value === "stuck") {
    if (context) void context.close().catch(() => {});
    context = new AudioContext();
    lastTime = -1;
  }
  try {
    await context.resume();
  } catch {
    // stays suspended; the state below tells
  }
  sound.value = context.state === "running" ? "on" : "off";
}

/** Called with every beat: a suspended or frozen audio clock is a sound that nobody will hear. */
export function inspect() {
  if (!context || sound.value === "off") return;
  if (context.state !== "running") sound.value = "stuck";
  else if (context.currentTime === lastTime) sound.value = "stuck";
  else sound.value = "on";
  lastTime = context.currentTime;
}

// Pulses of one burst: [start in s, length in s, frequency in Hz]. Base tones lie between 500 and 1000 Hz, where
// sound carries; voices are at least 20 % apart, and none is continuous (control-room and medical practice).
function pulses(times, frequency, length) {
  return times.map((start) => [start, length, frequency]);
}
const FIVE = [0, 0.25, 0.5, 1.0, 1.25];
const BURSTS = {
  p1: pulses([...FIVE, ...FIVE.map((start) => start + 2.4)], 880, 0.16),
  p2: pulses([0, 0.35, 0.7], 660, 0.22),
  p3: pulses([0], 523, 0.3),
  ill: [[0, 0.35, 392], [0.45, 0.35, 311], [0.9, 0.5, 247]],
  blind: [[0, 0.18, 988], [0.2, 0.18, 494], [0.4, 0.18, 988], [0.6, 0.18, 494], [1.2, 0.18, 988], [1.4, 0.18, 494]],
};
const TIMBRE = { ill: "sawtooth", blind: "square" };

/** Sound one burst. */
export function burst(voice) {
  if (!context || context.state !== "running") return;
  const begin = context.currentTime + 0.02;
  for (const [start, length, frequency] of BURSTS[voice]) {
    if (voice === "ill" || voice === "blind") tone(begin + start, length, frequency, TIMBRE[voice], 0.16);
    else for (const [harmonic, loud] of [[1, 0.3], [2, 0.12], [3, 0.08], [4, 0.05]]) {
      tone(begin + start, length, frequency * harmonic, "sine", loud);
    }
  }
}

const playing = new Set();

function tone(at, length, frequency, shape, loud) {
  const oscillator = context.createOscillator();
  const level = context.createGain();
  oscillator.type = shape;
  oscillator.frequency.value = frequency;
  level.gain.setValueAtTime(0, at);
  level.gain.linearRampToValueAtTime(loud, at + 0.015);
  level.gain.setValueAtTime(loud, at + length - 0.03);
  level.gain.linearRampToValueAtTime(0, at + length);
  oscillator.connect(level).connect(context.destination);
  oscillator.start(at);
  oscillator.stop(at + length + 0.01);
  playing.add(oscillator);
  oscillator.onended = () => {
    playing.delete(oscillator);
    level.disconnect();
  };
}

/** Cut a burst short: an acknowledgement must be heard at once. */
export function hush() {
  for (const oscillator of playing) oscillator.stop();
  playing.clear();
}
