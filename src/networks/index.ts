export { networkOfStudy } from "./study-network.ts";
export { type UNet3DOptions, unet3d, unet3dStride } from "./unet3d.ts";
