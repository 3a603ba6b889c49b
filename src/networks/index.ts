export { comparesSides, networkOfStudy } from "./study-network.ts";
export { type UNet3DOptions, unet3d } from "./unet3d.ts";
