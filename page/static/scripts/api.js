// The one place that asks the server. Reading waits out a server that is away; what is refused is a `Problem`.

import { untilBack } from "./connection.js";

/**
 * @typedef {object} Model
 * @property {number} version
 * @property {boolean} is_default
 * @property {string} digest SHA-256 of the generator's file: the model's name in addresses
 * @property {string} run_id
 * @property {string} dataset
 * @property {string[]} class_names by class, from 0; empty where the model has no classes
 * @property {number} latent_size random numbers that a digit is made of
 * @property {number} threshold the real_probability below which a digit is taken for a generated one
 * @property {number | null} one_digit_threshold the one_digit_probability below which an image is not one digit
 *
 * @typedef {"real_digit" | "generated" | "not_one_digit" | "nothing_found"} Verdict
 *
 * @typedef {object} Score
 * @property {Verdict} verdict
 * @property {boolean} real
 * @property {number} real_probability
 * @property {number | null} digit
 * @property {string | null} class_name
 * @property {number | null} digit_probability
 * @property {number | null} one_digit_probability
 * @property {number} version
 * @property {string | null} scored_image base64 of 28x28 grey levels
 * @property {boolean} normalised
 * @property {{patch: number, stride: number, real_probability: number[][]} | null} [map] what real_probability becomes with a
 *   patch of so many pixels covered, every so many pixels
 */

/** What the server refused, and why. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{title?: string, detail?: string, field?: string}} told
   */
  constructor(status, told) {
    super(told.detail ?? told.title ?? `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.field = told.field;
  }
}

const AWAY = new Set([502, 503, 504]);

/**
 * @param {string} address
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Problem} refused
 * @throws {TypeError} not reached
 */
async function once(address, init) {
  const answer = await fetch(address, init);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, told);
}

/**
 * Ask what may be asked twice: again, as soon as the server is back, until it answers or the signal says to stop.
 * @param {string} address
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
async function patiently(address, init) {
  for (;;) {
    try {
      return await once(address, init);
    } catch (error) {
      const away = error instanceof TypeError || (error instanceof Problem && AWAY.has(error.status));
      if (!away) throw error;
      await untilBack();
      if (init?.signal?.aborted) throw error;
    }
  }
}

/** @type {Promise<Model[]> | null} */
let known = null;

/** @returns {Promise<Model[]>} the models that are served, ascending; asked for once */
export function models() {
  known ??= patiently("v1/models")
    .then((answer) => answer.json())
    .then((told) => told.models);
  return known;
}

/** @returns {Promise<Model>} the model that digits come from when nobody names one */
export async function defaultModel() {
  const all = await models();
  const model = all.find((each) => each.is_default) ?? all[0];
  if (!model) throw new Error("the server has no model");
  return model;
}

/**
 * The address that stays: this image under it for ever, or 404.
 * @param {Model} model
 * @param {string} what such as "7/41" (seed and index) or "7/0-99" (a sheet)
 * @param {"png" | "json" | "npz"} form
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function digitAddress(model, what, form, query = {}) {
  return `v1/models/${model.digest}/digits/${what}.${form}${questions(query)}`;
}

/**
 * @param {Model} model
 * @param {"png" | "gif"} form
 * @param {Record<string, string | number | null | undefined>} query
 */
export const walkAddress = (model, form, query) => `v1/models/${model.digest}/walk.${form}${questions(query)}`;

/** @param {Record<string, string | number | null | undefined>} query */
function questions(query) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  // Seeds and indices as SEED/INDEX may stand in a query as they are, and read better so.
  return given.length > 0 ? `?${given.map(([name, value]) => `${name}=${encodeURI(String(value))}`).join("&")}` : "";
}

/**
 * @param {string} address of an image
 * @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 */
export const picture = async (address, signal) => (await patiently(address, signal ? { signal } : {})).blob();

/**
 * @param {string} address of a JSON file among the page's own
 * @returns {Promise<unknown>}
 */
export const recorded = async (address) => (await patiently(address)).json();

/**
 * What the detector says of an image.
 * @param {Blob} image a file, of any size
 * @param {{map?: boolean, signal?: AbortSignal}} [options] map: also what gave it away
 * @returns {Promise<Score>}
 */
export async function score(image, { map = false, signal } = {}) {
  const headers = { "content-type": image.type || "application/octet-stream" };
  const init = { method: "POST", body: image, headers, ...(signal ? { signal } : {}) };
  return (await patiently(`v1/score${map ? "?map=true" : ""}`, init)).json();
}

/**
 * @typedef {object} Run
 * @property {number} images how many real digits it is to see
 *
 * @typedef {object} Training
 * @property {boolean} allowed
 * @property {boolean} running
 * @property {Run | null} run the one that goes on, or the last
 */

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Training>}
 */
export const training = async (signal) => (await patiently("v1/training", { signal })).json();

/**
 * @param {{lr_g: number, lr_d: number, images: number}} wanted
 * @returns {Promise<Training>}
 */
export async function startTraining(wanted) {
  const headers = { "content-type": "application/json" };
  return (await once("v1/training", { method: "POST", body: JSON.stringify(wanted), headers })).json();
}

/** @returns {Promise<unknown>} */
export const stopTraining = () => once("v1/training", { method: "DELETE" });

/** @returns {EventSource} what the run tells of itself, from its start on */
export const trainingEvents = () => new EventSource("v1/training/events");

/** @param {AbortSignal} signal */
export const fetchPreview = (signal) => picture("v1/training/preview.png", signal);
