"""Graph convolution over skeletons: ST-GCN (Yan et al., AAAI 2018) and what followed it, in one implementation."""
