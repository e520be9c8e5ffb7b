class Ttv: pass
