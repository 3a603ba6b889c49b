export { BRAIN_ML, checkBrainVolume, type ExtractedBrain, extractBrain } from "./extract-brain.ts";
