export { type Registration, type RegistrationOptions, registerRigid } from "./register-rigid.ts";
export { type Grid, resampleOnto } from "./resample-onto.ts";
export { invertRigid, type RigidParameters, rigidDifference, rigidMatrix } from "./rigid-transform.ts";
export { smoothed } from "./smooth.ts";
